# One image for web, worker, scheduler and migration: the argument says which (`serve`, `worker`, …).
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# What changes seldom comes first: the pins, then the browser assets, then our own files.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
    && python -m venv /opt/careloop \
    && /opt/careloop/bin/pip install --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY package.json package-lock.json .npmrc ./
COPY platform/foundation/__init__.py platform/foundation/assets.py platform/foundation/
RUN PYTHONPATH=platform /opt/build/bin/python -m foundation.assets
COPY pyproject.toml LICENSE ./
COPY migrations migrations
COPY tenants tenants
COPY billing billing
COPY reporting reporting
COPY platform platform
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/careloop/bin/pip install --no-deps --no-index /dist/*.whl \
    && /opt/careloop/bin/pip uninstall --yes pip \
    && /opt/careloop/bin/python -m compileall -q /opt/careloop/lib

FROM python:${PYTHON}-slim
RUN groupadd --gid 10001 careloop \
    && useradd --uid 10001 --gid careloop --no-create-home --home-dir /var/lib/careloop --shell /usr/sbin/nologin careloop \
    && install -d -o careloop -g careloop -m 0700 /var/lib/careloop
COPY --from=build /opt/careloop /opt/careloop
ENV PATH=/opt/careloop/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CARELOOP_DATA_DIR=/var/lib/careloop \
    CARELOOP_HOST=0.0.0.0 \
    CARELOOP_LOG_FORMAT=json
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
VOLUME /var/lib/careloop
EXPOSE 8321
ENTRYPOINT ["careloop"]
CMD ["serve"]
