# The image of the service. docs/how-to/install.md describes it, and tests/acceptance/test_image.py builds and runs it.
ARG BASE=docker.io/library/debian:trixie-slim

FROM ${BASE} AS python
# Debian's Python gets the security updates of the base. The pinned packages are those of requirements/production.txt.
# hadolint ignore=DL3008
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/lib/python3*/test /usr/lib/python3*/pydoc_data

FROM python AS build
# hadolint ignore=DL3008
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends binutils python3-venv && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/webhook-service/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all:
WORKDIR /build
COPY requirements/production.txt requirements/
RUN python3 -m venv /opt/webhook-service && pip install --quiet --require-hashes --requirement requirements/production.txt
COPY pyproject.toml README.md LICENSE ./
COPY webhook_service webhook_service
RUN pip install --quiet --no-deps --no-build-isolation . && pip uninstall --quiet --yes setuptools pip
# A third of the bytes is never read: debug symbols, sources of C, the Bootstrap themes and versions that no page loads,
# translations, lexers, and the bytecode of a hundred destinations. The wheel of libpq has patched its libraries: strip would
# break them.
WORKDIR /opt/webhook-service
RUN find . -name '*.so' ! -path '*psycopg_binary*' -exec strip --strip-unneeded {} + \
 && find . -path '*/flask_bootstrap/static/bootstrap*' -type f ! -path '*/bootstrap5/css/bootstrap.min.css' ! -path '*/bootstrap5/js/*' -delete \
 && find . -type f '(' -name '*.py[ixd]' -o -name '*.pxd' -o -name '*.[ch]' -o -path '*/apprise/i18n/*.mo' \
    -o -path '*/apprise/plugins/*.pyc' -o -path '*/pygments/lexers/*' ! -name '__init__.*' ! -name '_mapping.*' ')' -delete

FROM python
COPY --from=build /opt/webhook-service /opt/webhook-service
# USER is the name that the ledger records for commands. The account needs no home and no entry in /etc/passwd.
ENV PATH=/opt/webhook-service/bin:$PATH USER=webhook-service PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python3", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT') or 8000}/healthz\", timeout=4)"]
ENTRYPOINT ["webhook-service"]
CMD ["serve"]
