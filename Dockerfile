# syntax=docker/dockerfile:1
# Any architecture for which the locked wheels exist (linux/amd64, linux/arm64). No compiler, no shell is needed at run time.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements/runtime.txt requirements/
RUN python -m venv /app && /app/bin/pip install --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY tools/trim_image.py /tmp/
COPY operator/cloudsql_iam_operator /tmp/package/cloudsql_iam_operator
RUN cp -r /tmp/package/cloudsql_iam_operator "$(/app/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/" \
 && python /tmp/trim_image.py /app/lib/python*/site-packages \
 && python -m compileall -q /app/lib

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="cloudsql-iam-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# glibc's allocator: few arenas for many threads, and what is large goes back when it is freed
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
USER 65532:65532
ENTRYPOINT ["python", "-m", "cloudsql_iam_operator"]
CMD ["run"]
