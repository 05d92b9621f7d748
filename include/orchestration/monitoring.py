"""Send Perennial's gauges to where Airflow sends its own: StatsD, Datadog or OpenTelemetry (``[metrics]``)."""

from __future__ import annotations

from airflow.sdk.observability import stats

from include.operations import telemetry


def report() -> int:
    """Send all gauges and return their number. Without monitoring in Airflow's settings, nothing is sent."""
    gauges = telemetry.read()
    for one in gauges:
        stats.gauge(one.name, one.value, tags=one.tags)
    return len(gauges)
