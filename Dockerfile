# sfe-pulse in a container: the command `pulse` with everything it reads, without compilers, as a user without rights.

FROM python:3.12.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY agents agents
COPY schemas schemas
COPY streams streams
COPY grafana grafana
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-build-isolation -e . \
    && /opt/venv/bin/python -m compileall -q agents grafana schemas streams

FROM python:3.12.11-slim-bookworm
LABEL org.opencontainers.image.title="sfe-pulse"
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin pulse \
    && install --directory --owner pulse --group pulse --mode 700 /app/data
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY sql sql
COPY policies policies
COPY --chmod=555 docker/worker/start.sh /app/start-worker
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PULSE_METRICS_PORT=9464
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PULSE_METRICS_PORT\"]}/health', timeout=4)"]
ENTRYPOINT ["pulse"]
CMD ["worker"]
