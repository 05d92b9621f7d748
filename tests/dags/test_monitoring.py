"""Perennial's gauges reach an OpenTelemetry collector by Airflow's own settings."""

from __future__ import annotations

import atexit
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from opentelemetry import metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from include.operations import telemetry
from include.warehouse.engine import engine
from tests.fixtures import small_world as world

ROOT = Path(__file__).resolve().parents[2]
Points = dict[tuple[str, ...], float]
_STALE = sa.text(f"""
    update meta.verdict set state = 'red', watermark = timestamptz '{world.FIRST}' - interval '2 hours'
    where source = 'crm' and entity = ''
""")


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> Iterator[Points]:
    """A collector's points: (name, tag values in the order of their labels) -> value."""
    points: Points = {}

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (one for scope in resource.scope_metrics for one in scope.metrics):
                    for point in metric.gauge.data_points:
                        tags = {one.key: one.value.string_value for one in point.attributes}
                        points[metric.name, *(tags[key] for key in sorted(tags))] = point.as_double or point.as_int
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "True")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"http://127.0.0.1:{server.server_port}/v1/metrics")
    yield points
    server.shutdown()
    server.server_close()


def test_gauges_reach_a_collector(dags, built: pytest.MonkeyPatch, received: Points) -> None:
    from airflow.sdk._shared.observability.metrics.otel_logger import flush_otel_metrics
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    with engine("owner").begin() as connection:
        connection.execute(_STALE)
        connection.exec_driver_sql("insert into ops.channel (channel) values ('email')")
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
    try:
        n_sent = dags["notify_incidents"].task_dict["report_health"].python_callable()
        metrics.get_meter_provider().shutdown()  # sends what waits, as the end of a task's process does
    finally:
        atexit.unregister(flush_otel_metrics)
        stats.initialize(factory=stats_utils.NoStatsLogger, export_legacy_names=False)
    assert len(received) == n_sent
    assert received["airflow.perennial.batch.held", "crm"] == 0
    assert received["airflow.perennial.source.age_seconds", "crm"] == 7200
    assert received["airflow.perennial.source.not_green", "crm"] == 1
    assert received["airflow.perennial.build.failed",] == 0
    assert received["airflow.perennial.outbox.rows", "email", "uncertain"] == 0  # else an earlier 1 would stay
    assert {name.removeprefix("airflow.") for name, *_ in received} == set(telemetry.NAMES)


def test_board_and_alerts_use_gauges_that_are_sent() -> None:
    sent = {f"airflow_{name.replace('.', '_')}" for name in telemetry.NAMES}
    folder = ROOT / "docs" / "how-to" / "watch-perennial"
    (group,) = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"]
    assert all(any(name in rule["expr"] for name in sent) for rule in group["rules"])
    board = (folder / "board.json").read_text()
    assert sent == {name for name in sent if name in board}
