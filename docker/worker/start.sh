#!/bin/sh
# Runs one worker. Exit status 2 means that it cannot run as it is set up, or that too many events went to the dead
# letters: starting it again at once would change nothing or go on emptying a topic. So the container then stays,
# unhealthy, until somebody has looked and restarts it. After any other end Docker starts it again.

child=
trap 'stopped=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT # first: a signal may come at any moment
pulse worker &
child=$!
[ -z "${stopped:-}" ] || kill -TERM "$child" 2>/dev/null

wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do # a signal ended the waiting, not the worker
    wait "$child"
    status=$?
done
if [ "$status" -ne 2 ] || [ -n "${stopped:-}" ]; then
    exit "$status"
fi

trap 'exit 143' TERM INT
echo "the worker cannot go on, see above; mend the cause, then: docker compose restart worker" >&2
while :; do
    sleep 1 & # in the background, so that a signal is heard at once
    wait "$!"
done
