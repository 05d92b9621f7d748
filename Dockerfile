# The production image: DAGs, domain code, SQL and the page in the UI. No sandbox, no tests (see .dockerignore).
FROM python:3.11.14-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/opt/perennial \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# The folders that are mounted must belong to the user before they become volumes.
RUN groupadd --gid 50000 perennial \
    && useradd --uid 50000 --gid 50000 --home-dir /opt/airflow --no-create-home --shell /usr/sbin/nologin perennial \
    && install -d -o 50000 -g 50000 -m 0700 /opt/airflow /opt/perennial-logs /opt/perennial-auth

WORKDIR /opt/perennial
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY dags dags
COPY include include
COPY plugins plugins
COPY sql sql

USER 50000:50000
ENTRYPOINT ["python", "-m"]
CMD ["airflow", "version"]
