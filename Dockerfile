# The image of the service. docs/install.md describes it, and deploy/check_image.py builds and checks it.
ARG BASE=docker.io/library/python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /build
RUN python3 -m venv /opt/webhook-service
ENV PATH=/opt/webhook-service/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all:
COPY requirements/production.txt requirements/
RUN pip install --quiet --require-hashes --requirement requirements/production.txt
COPY pyproject.toml README.md LICENSE ./
COPY webhook_service webhook_service
RUN pip install --quiet --no-deps --no-build-isolation . && pip uninstall --quiet --yes setuptools pip

FROM ${BASE}
COPY --from=build /opt/webhook-service /opt/webhook-service
# USER is the name that the ledger records for commands. The account needs no home and no entry in /etc/passwd.
ENV PATH=/opt/webhook-service/bin:$PATH USER=webhook-service PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python3", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT') or 8000}/healthz\", timeout=4)"]
ENTRYPOINT ["webhook-service"]
CMD ["serve"]
