"""Scores as known at an earlier time: late facts and merges are kept apart from what happened since."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include.cli.main import app
from include.models import build
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

DAY = "2026-05-28"


def _show(*words: str) -> Any:
    said = CliRunner().invoke(app, ["score", "show", "crm:1", *words, "--json"])
    assert said.exit_code == 0, said.output
    return json.loads(said.output)


def test_score_as_known_before_a_late_fact_and_before_a_merge(built: pytest.MonkeyPatch) -> None:
    compared = ("shown", "score", "coverage", "parts", "band", "band_since")
    first = {name: _show("--as-of", DAY)[name] for name in compared}
    known_at = value("select max(known_at) from meta.build").isoformat()
    built.setenv("PERENNIAL_NOW", "2026-06-10T13:00:00+00:00")
    world.load("usage_day", *(world.usage("1", f"late{n}", date(2026, 5, 20 + n), 5) for n in range(6)))
    assert isinstance(build.run("late facts"), build.Finished)
    now = _show("--as-of", DAY)
    assert now["score"] != first["score"]
    assert {name: _show("--as-of", DAY, "--known-at", known_at)[name] for name in compared} == first
    latest = value("select max(known_at) from meta.build").isoformat()
    assert _show("--as-of", DAY, "--known-at", latest)["score"] == now["score"]
    # The day's own data may still arrive on the day after it.
    assert not rows("select 1 from meta.former_health_input where day >= '2026-06-09'")

    changed = _show("--since", DAY, "--known-at", known_at)
    assert Decimal(changed["before"]) == Decimal(first["shown"])
    assert sum(Decimal(line["change"]) for line in changed["lines"]) == Decimal(changed["after"]) - Decimal(
        first["shown"]
    )
    (restated,) = [line for line in changed["lines"] if line["kind"] == "restated"]
    assert Decimal(restated["change"]) == Decimal(now["score"]) - Decimal(first["score"])
    with engine("owner").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.account_merge_history (source, loser_id, survivor_id, batch_id, known_from)"
                " values ('crm', '9', '1', 1, now())"
            )
        )
    said = CliRunner().invoke(app, ["score", "show", "crm:1", "--known-at", "2025-01-01"])
    assert "is no longer kept" in f"{said.output}{said.exception}"
    merged = _show("--since", DAY, "--known-at", known_at)
    assert [line["change"] for line in merged["lines"] if line["kind"] == "merge"] == [restated["change"]]
