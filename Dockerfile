# One small image for each part. Only wheels are installed: no image has a compiler.
#   producer   the command line
#   worker     classifies and scales out: no TensorFlow
#   trainer    trains: the worker's packages and TensorFlow
#   monitor    metrics for Prometheus
#   worker-gpu a worker with TensorFlow's runtime on an NVIDIA GPU (untested)
FROM python:3.13-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_CONSTRAINT=/constraints.txt PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --home-dir /var/lib/hangtag --no-create-home hangtag \
 && install -d -m 700 -o hangtag -g hangtag /var/lib/hangtag
COPY constraints.txt /

# The project's metadata without its code, which determines the installed packages. A code change
# does not install them again.
FROM base AS names
WORKDIR /names
COPY pyproject.toml ./
RUN mkdir hangtag producer shared worker && touch README.md LICENSE NOTICE producer/__init__.py

FROM base AS code
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY licenses licenses
COPY shared shared
COPY worker worker
COPY producer producer
COPY hangtag hangtag
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM base AS producer-packages
RUN --mount=from=names,source=/names,target=/names,rw pip install --only-binary :all: /names

FROM base AS worker-packages
RUN --mount=from=names,source=/names,target=/names,rw pip install --only-binary :all: '/names[worker]'

# With Fashion-MNIST, the default data set of `hangtag train`.
FROM worker-packages AS trainer-packages
RUN apt-get -qq update \
 && apt-get -qq install -y --no-install-recommends dataset-fashion-mnist \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=from=names,source=/names,target=/names,rw pip install --only-binary :all: '/names[tensorflow]'

FROM producer-packages AS monitor-packages
RUN --mount=from=names,source=/names,target=/names,rw pip install --only-binary :all: '/names[metrics]'

FROM worker-packages AS worker-gpu-packages
RUN --mount=from=names,source=/names,target=/names,rw \
    pip install --only-binary :all: '/names[worker]' 'tensorflow[and-cuda]'

FROM producer-packages AS producer
WORKDIR /out
RUN --mount=from=code,source=/wheels,target=/wheels pip install --no-deps --force-reinstall /wheels/*
USER 10001:10001
ENTRYPOINT ["hangtag"]
CMD ["--help"]

FROM monitor-packages AS monitor
RUN --mount=from=code,source=/wheels,target=/wheels pip install --no-deps --force-reinstall /wheels/*
USER 10001:10001
ENTRYPOINT ["hangtag"]
CMD ["metrics", "--host", "0.0.0.0", "--port", "9808"]

FROM trainer-packages AS trainer
RUN --mount=from=code,source=/wheels,target=/wheels pip install --no-deps --force-reinstall /wheels/*
USER 10001:10001
ENTRYPOINT ["hangtag"]
CMD ["worker", "--queue", "train"]

FROM worker-gpu-packages AS worker-gpu
RUN --mount=from=code,source=/wheels,target=/wheels pip install --no-deps --force-reinstall /wheels/*
USER 10001:10001
ENTRYPOINT ["hangtag"]
CMD ["worker"]

# The last stage is the default of `docker build .`.
FROM worker-packages AS worker
RUN --mount=from=code,source=/wheels,target=/wheels pip install --no-deps --force-reinstall /wheels/*
USER 10001:10001
ENTRYPOINT ["hangtag"]
CMD ["worker"]
