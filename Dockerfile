# The production image: DAGs, domain code, SQL and the page in the UI. No sandbox, no tests (see .dockerignore).
# Another image, or the same by its digest: PERENNIAL_PYTHON_IMAGE in .env.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
FROM ${PYTHON_IMAGE}

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/opt/perennial \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# Charts and PDFs in Chinese need a font that has its characters.
RUN apt-get update \
    && apt-get install --no-install-recommends --yes fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*

# The folders that are mounted must belong to the user before they become volumes.
RUN groupadd --gid 50000 perennial \
    && useradd --uid 50000 --gid 50000 --home-dir /opt/airflow --no-create-home --shell /usr/sbin/nologin perennial \
    && install -d -o 50000 -g 50000 -m 0700 /opt/airflow /opt/perennial-logs

WORKDIR /opt/perennial
COPY requirements-production.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements-production.txt
COPY dags dags
COPY include include
COPY plugins plugins
COPY sql sql
# The image runs with a read-only root: without this, every process would compile these files again.
RUN python -m compileall -q dags include plugins

USER 50000:50000
ENTRYPOINT ["python", "-m"]
CMD ["airflow", "version"]
