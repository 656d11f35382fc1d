# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /app/.venv
COPY requirements.txt constraints.txt ./
RUN /app/.venv/bin/python -m pip install --quiet -r requirements.txt \
    && /app/.venv/bin/python -m pip uninstall --quiet --yes setuptools pip
COPY model/ model/
COPY service/ service/
RUN /app/.venv/bin/python -m compileall -q model service

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Kalm" \
      org.opencontainers.image.description="Scores customer messages for anger and urgency" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 kalm && useradd --uid 10001 --gid kalm --no-create-home --shell /usr/sbin/nologin kalm
RUN install -d -o kalm -g kalm /var/lib/kalm
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/var/lib \
    KALM_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8080
VOLUME /var/lib/kalm
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "service.probe"]
ENTRYPOINT ["python", "-m", "service"]
