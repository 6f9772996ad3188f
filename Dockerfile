# Kindred's API. Build arguments: EXTRAS="" serves, "[train]" also ingests and trains;
# TORCH_INDEX may name PyTorch's index of CPU wheels for a much smaller training image.
FROM python:3.12-slim AS build
ARG EXTRAS=""
ARG TORCH_INDEX=""
WORKDIR /src
COPY pyproject.toml README.md LICENSE kindred.py ./
COPY graph graph
COPY gnn gnn
COPY ingest ingest
COPY api api
RUN python -m venv /opt/kindred \
    && if [ -n "$EXTRAS" ]; then /opt/kindred/bin/pip install --no-cache-dir torch ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}; fi \
    && /opt/kindred/bin/pip install --no-cache-dir ".$EXTRAS"

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 kindred && mkdir -p /srv/kindred/var && chown -R kindred /srv/kindred
COPY --from=build /opt/kindred /opt/kindred
# What numba compiles is kept in the volume, so that only the first start compiles.
ENV PATH=/opt/kindred/bin:$PATH KINDRED_HOST=0.0.0.0 NUMBA_CACHE_DIR=/srv/kindred/var/numba
USER 10001
WORKDIR /srv/kindred
VOLUME /srv/kindred/var
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/live', timeout=2)"]
ENTRYPOINT ["kindred"]
CMD ["serve"]
