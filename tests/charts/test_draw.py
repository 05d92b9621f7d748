"""Charts are redrawn only when their figures change, and are safe to embed in a page."""

from __future__ import annotations

import re
from datetime import date

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include.charts import draw
from include.cli.main import app
from include.scores.health import record
from include.warehouse.engine import engine

JUDGED = """
insert into meta.health_backtest_method (month, method, days_before, n, n_lost, auc, low, high)
select '2026-06-01', m, d, 100, 20, a + d / 1000.0, a - 0.1, a + 0.1
from (values ('score', 0.7), ('touch', 0.6), ('learned', 0.75), ('equal weights', 0.65)) as t (m, a),
    unnest(array[90, 60, 30]) as d;
insert into marts.health_checkpoint (renewal_id, account_key, days_before, as_of, computed)
select 'r' || n, 'crm:1', 90, '2026-01-01', n from generate_series(1, 99) as n;
insert into marts.renewal_due (renewal_id, account_key, part, settled_on)
select 'r' || n, 'crm:1', case when n < 30 then 'lost' else 'on_time' end, '2026-04-01'
from generate_series(1, 99) as n;
"""


def test_charts_are_drawn_once_per_change(built: pytest.MonkeyPatch) -> None:
    assert "charts were drawn" in CliRunner().invoke(app, ["report", "charts"]).output
    first = _drawn()
    assert "bands" in first
    with engine("builder").begin() as connection:
        connection.exec_driver_sql("insert into ops.chart select 'bands.fr', title, says, '', svg, as_of, drawn_at"
            " from ops.chart where chart = 'bands'")  # fmt: skip
    assert draw.draw() == 0
    assert _drawn().keys() == first.keys()  # charts of a former language are removed
    record.run(date(2026, 6, 10))
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("delete from meta.health_backtest_method")
        connection.exec_driver_sql(JUDGED)
    assert draw.draw() == 2
    assert _drawn().keys() == draw.CHARTS.keys()
    for svg in _drawn().values():
        # The pages' content security policy allows only their own styles and nothing from other hosts.
        assert svg.startswith("<svg")
        assert not re.search(r"<script|style=|<style|href=|url\(http", svg)
    with engine("owner").begin() as connection:
        connection.execute(sa.text("delete from marts.health_checkpoint"))
    draw.draw()
    assert "calibration" not in _drawn()  # a chart without figures is removed


def test_empty_warehouse_has_no_charts(warehouse: object) -> None:
    assert draw.draw() == 0
    with engine("reader").connect() as connection:
        assert draw.drawn(connection, *draw.CHARTS) == []


def _drawn() -> dict[str, str]:
    with engine("reader").connect() as connection:
        return dict(connection.execute(sa.text("select chart, svg from ops.chart")).tuples().all())
