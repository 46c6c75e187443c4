# The PersonaPlex model server. CUDA itself comes with torch's wheels; the host brings the driver and NVIDIA's container toolkit.
#   docker build -f deploy/gateway.Dockerfile -t personaplex-gateway .
FROM python:3.11.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
# The packages first: this layer, some gigabytes, stays as long as the lock does.
COPY pyproject.toml uv.lock README.md LICENSE NOTICE ./
RUN uv sync --frozen --no-dev --no-install-project --extra personaplex --extra telemetry
COPY workbench workbench
COPY evaluation evaluation
COPY migrations migrations
COPY personas personas
RUN uv sync --frozen --no-dev --no-editable --extra personaplex --extra telemetry

FROM python:3.11.11-slim-bookworm
# torch compiles small kernels of moshi's at the start, and calls a C compiler for it.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home workbench && install -d -o workbench -g workbench /data /cache /app
COPY --from=build --chown=root:root /app/.venv /app/.venv
COPY deploy/health.py /app/health.py
ENV PATH=/app/.venv/bin:$PATH NVIDIA_DRIVER_CAPABILITIES=compute,utility HF_HOME=/cache/huggingface XDG_CACHE_HOME=/cache PYTHONUNBUFFERED=1
WORKDIR /data
USER workbench
EXPOSE 8998
HEALTHCHECK --interval=15s --timeout=10s --start-period=3600s --retries=4 CMD ["python", "/app/health.py", "http://127.0.0.1:8998/health"]
ENTRYPOINT ["workbench", "gateway"]
CMD ["--help"]
