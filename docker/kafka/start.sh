#!/bin/sh
# Starts the broker. A new volume gets a new cluster id, an old one keeps its own: by the id the workers tell a broker
# that starts empty (its offsets begin anew) from the one they know.
set -eu

home="${BROKER_HOME:-/opt/kafka}"
run="${BROKER_RUN:-/etc/kafka/docker/run}"

known=$(sed -n 's/^cluster\.id=//p' "$KAFKA_LOG_DIRS/meta.properties" 2>/dev/null || true)
CLUSTER_ID="${known:-$("$home/bin/kafka-storage.sh" random-uuid)}"
export CLUSTER_ID
exec "$run"
