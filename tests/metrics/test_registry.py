"""The metric registry: complete, consistent with the generated query, with clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.common.errors import ConfigError
from include.config import files
from include.models import kpi_query, metrics
from include.models import registry as models

GOOD = """\
table: marts.retention_period
owner: finance
needs: [contract_line]
rows: {table: marts.account_day, columns: [account_key, arr]}
metrics:
  mine:
    title: Mine
    level: core
    formula: one / another
    unit: share
    numerator: n_lost
    denominator: n_customers_start
    n: n_customers_start
"""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The overlay's metrics file."""
    path = tmp_path / "sql" / "metrics" / "own.yaml"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv(files.OVERLAY_VARIABLE, str(tmp_path))
    return path


def test_kpi_query_is_generated_from_the_registry(own: Path) -> None:
    assert models.get("marts.kpi_value").query == kpi_query.text().strip()
    place = own.parents[1] / kpi_query.FOLDER / "query.sql"
    place.parent.mkdir(parents=True)
    place.write_text("select 1 as metric_id")
    with pytest.raises(ConfigError, match=r"kpi_value/query\.sql: this query is generated from sql/metrics"):
        models.names()


def test_metric_tree_has_the_three_core_metrics_at_its_top() -> None:
    known = metrics.load()
    core = {each.id for each in known.values() if each.entry.level == "core"}
    assert core == {"activity_rate", "gross_renewal_rate", "expansion_rate"}
    assert {below for top in core for below in metrics.branch(top)} == set(known)


def test_adding_a_metric_takes_one_entry(own: Path) -> None:
    own.write_text(GOOD)
    assert metrics.get("mine").place.endswith("own.yaml:6")
    query = models.get("marts.kpi_value").query
    assert "('mine', 1, 'share', n_lost, n_customers_start, null, n_customers_start, 1)" in query


def test_folders_are_scanned_once_not_per_metric(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scan lists hundreds of files, and every build reads the registry."""
    own.write_text(GOOD)
    known = metrics.load()
    fingerprints, calls = files.fingerprints, []
    monkeypatch.setattr(files, "fingerprints", lambda *given: calls.append(1) or fingerprints(*given))
    own.write_text(GOOD + "\n")
    again = metrics.load()
    tables = {each.table for each in again.values()} | {each.rows.table for each in again.values()}
    assert set(again) == set(known)
    assert len(calls) <= len(tables) + 2


def test_metric_versions_coexist(own: Path) -> None:
    earlier = (
        "    version: 2\n    earlier:\n      1: {numerator: n_expanded, denominator: n_customers_start, n: n_lost}\n"
    )
    own.write_text(GOOD + earlier)
    text = kpi_query.text()
    assert "('mine', 1, 'share', n_expanded," in text
    assert "('mine', 2, 'share', n_lost," in text
    assert metrics.get("mine").hash(1) != metrics.get("mine").hash(2)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("numerator: n_lost", "numerator: n_losses", 6, "marts.retention_period has no column n_losses"),
        ("numerator: n_lost", "numerator: n_lost; drop table x", 11, "columns, numbers and"),
        ("table: marts.retention_period", "table: marts.nowhere", 1, "unknown table marts.nowhere"),
        ("level: core", "level: second", 6, "need a parent"),
        ("level: core", "level: second\n    parent: nobody", 9, "unknown metric nobody"),
        ("level: core", "level: second\n    parent: mrr", 9, "not of a higher level"),
        ("    denominator: n_customers_start\n", "", 6, "needs a denominator"),
        ("owner: finance", "owner: nobody", 6, "not in sql/owners.yaml"),
        ("unit: share", "unit: parts", 10, "Input should be"),
        ("columns: [account_key, arr]", "having: colour, columns: [arr]", 6, "has no column colour"),
        ("needs: [contract_line]", "needs: [contract]", 3, "unknown entity contract"),
        ("needs: [contract_line]", "needs: [contract_line.colour]", 3, "contract_line has no column colour"),
        ("metrics:", "periods: [month]\nmetrics:", 15, "mine has no period week"),
        ("  mine:", "  arr:", 6, "is defined twice"),
        ("n: n_customers_start", "n: n_customers_start\n    colour: red", 14, "unknown key"),
    ],
)
def test_mistake_names_file_and_line(own: Path, old: str, new: str, line: int, said: str) -> None:
    own.write_text(GOOD.replace(old, new, 1) + ("    target: {week: {at_least: 1}}\n" if "periods" in new else ""))
    with pytest.raises(ConfigError) as caught:
        metrics.load()
    place = f"own.yaml:{line}"
    if said != "is defined twice":
        assert place in caught.value.message, caught.value.message
    assert said in caught.value.message


def test_unknown_metric_suggests_a_similar_name() -> None:
    with pytest.raises(ConfigError) as caught:
        metrics.get("activty_rate")
    assert "did you mean activity_rate?" in caught.value.cure
