# The workbench without a GPU: page, API, classic engine. Build from the root of the repository:
#   docker build -f deploy/workbench.Dockerfile -t personaplex-workbench .
FROM python:3.11.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
# The packages first: this layer stays as long as the lock does.
COPY pyproject.toml uv.lock README.md LICENSE NOTICE ./
RUN uv sync --frozen --no-dev --no-install-project --extra postgres --extra telemetry
COPY workbench workbench
COPY evaluation evaluation
COPY migrations migrations
COPY personas personas
RUN uv sync --frozen --no-dev --no-editable --extra postgres --extra telemetry

FROM python:3.11.11-slim-bookworm
# flite speaks better than the voice in the wheels.
RUN apt-get update && apt-get install -y --no-install-recommends libflite1 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home workbench && install -d -o workbench -g workbench /data /cache /app
COPY --from=build --chown=root:root /app/.venv /app/.venv
COPY deploy/health.py /app/health.py
ENV PATH=/app/.venv/bin:$PATH WORKBENCH_DATA_DIR=/data HF_HOME=/cache/huggingface XDG_CACHE_HOME=/cache PYTHONUNBUFFERED=1
WORKDIR /data
USER workbench
EXPOSE 7860
HEALTHCHECK --interval=15s --timeout=10s --start-period=120s --retries=4 CMD ["python", "/app/health.py", "http://127.0.0.1:7860/health"]
ENTRYPOINT ["workbench"]
CMD ["serve"]
