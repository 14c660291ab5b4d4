# One image for every program: `sluice gateway`, `sluice recorder`, `sluice dashboard`, `sluice worker`. Set PYTHON_IMAGE to a digest to pin it.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/sluice
# The pinned packages change seldom: they are a layer of their own. Wheels only, so nothing is compiled.
COPY requirements.lock ./
RUN python -m pip --python /opt/sluice/bin/python install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY policy policy
COPY redaction redaction
COPY metrics metrics
COPY gateway gateway
COPY dashboard dashboard
COPY automations automations
COPY demo demo
RUN python -m pip --python /opt/sluice/bin/python install --no-deps --no-build-isolation . \
    && /opt/sluice/bin/python -m compileall -q /opt/sluice/lib

FROM ${PYTHON_IMAGE}
# For anchors in a git remote, over HTTPS or SSH. Debian's signature vouches for these; a pinned version would be gone with the next fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/*
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip \
    && groupadd --gid 10001 sluice \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sluice \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/sluice /opt/sluice
COPY policies /policies
ENV PATH=/opt/sluice/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    SLUICE_DATA=/data \
    SLUICE_POLICIES=/policies \
    SLUICE_AUTOMATIONS=/automations \
    SLUICE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /tmp
VOLUME /data
EXPOSE 8080 8081 8082 8501
STOPSIGNAL SIGTERM
# For the default command; docker-compose.yml has a check for each program.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=3); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["sluice"]
CMD ["gateway"]
