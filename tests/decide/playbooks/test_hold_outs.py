"""Hold-outs: a family has one arm, drawn within tier and health band before its accounts reach the trigger."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.common import paths
from include.decide.playbooks import hold_outs
from include.decide.playbooks.load import load
from include.experiments import overview, store, words
from include.experiments.reading import read_out
from include.warehouse.engine import engine
from tests.experiments.test_reading import DAY, DESIGN, counts
from tests.fixtures.decisions import at
from tests.fixtures.signals import SignalBook
from tests.fixtures.subjects_store import account

SHIPPED = paths.ROOT / "include" / "defaults" / "playbooks" / "adoption_recovery.yaml"
DOWN: dict[str, Any] = {"user_days_28d": 60, "user_days_ratio_14d_ago": 0.5, "usage_ratio": 0.5, "usage_28d": 500}


@pytest.fixture
def families(signal_book: SignalBook, overlay: Path) -> SignalBook:
    """A live playbook with a hold-out, and a table of families in which account 2n+1 is the child of account 2n."""
    write(overlay, "hold_out: 0.25")
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "create table core.account_family as select 'crm:' || n as account_key, 'crm:' || n - mod(n, 2) as"
            " ultimate_parent_key from generate_series(2, 401) as n;"
            "grant select on core.account_family to perennial_reader, perennial_builder"
        )
    return signal_book


def write(overlay: Path, more: str) -> None:
    text = SHIPPED.read_text().replace("trigger:", f"{more}\ntrigger:")
    (overlay / "playbooks" / "adoption_recovery.yaml").write_text(text)


def assigned() -> dict[str, dict[str, Any]]:
    with engine("reader").connect() as connection:
        rows = connection.execute(sa.text("select * from ops.experiment_account")).mappings()
        return {row["account_key"]: dict(row) for row in rows}


def test_families_are_drawn_within_strata_before_any_trigger(families: SignalBook) -> None:
    bands = ("green", "yellow", "red", "unknown")
    families.set_subjects(
        "account", *(account(n, health_band=bands[n // 2 % 4], tier="small" if n < 200 else "standard")
                     for n in range(2, 402))
    )  # fmt: skip
    families.book.decide(decision_id="nobody is at the trigger")
    found = assigned()
    assert len(found) == 400 and families.book.episodes("adoption_recovery") == []
    assert all(found[f"crm:{n}"]["arm"] == found[f"crm:{n + 1}"]["arm"] for n in range(2, 402, 2))
    by_stratum = Counter((row["stratum"], row["arm"]) for row in found.values())
    strata = {stratum for stratum, _ in by_stratum}
    assert len(strata) == 8
    for stratum in strata:
        held_out, acted = (by_stratum[stratum, arm] / 2 for arm in ("held_out", "acted"))
        assert abs(held_out - 0.25 * (held_out + acted)) <= 1, stratum


def test_family_joins_its_arm_and_keeps_it(families: SignalBook) -> None:
    families.set_subjects("account", *(account(n) for n in range(2, 402, 2)))
    families.book.decide(decision_id="parents")
    before = assigned()
    families.set_subjects("account", *(account(n, health_band="red") for n in range(2, 402)))
    families.set_clock(at(1))
    families.book.decide()
    after = assigned()
    assert len(after) == 400 and all(after[key] == row for key, row in before.items())
    assert all(after[f"crm:{n + 1}"]["arm"] == after[f"crm:{n}"]["arm"] for n in range(2, 402, 2))


def test_families_with_a_key_account_are_never_held_out(families: SignalBook) -> None:
    families.set_subjects(
        "account", *(account(n, tier="key_account" if n % 20 == 0 else "small") for n in range(2, 402))
    )
    families.book.decide(decision_id="some")
    found = assigned()
    assert len(found) == 360 and not {f"crm:{n + d}" for n in range(20, 402, 20) for d in (0, 1)} & found.keys()
    families.set_subjects("account", *(account(n, tier="key_account", **DOWN) for n in range(2, 22)))
    families.set_clock(at(1))
    families.book.decide()
    assert {row["withdrawn_on"] for key, row in assigned().items() if int(key[4:]) < 20} == {at(1).date()}
    assert {row["arm"] for row in families.book.episodes("adoption_recovery")} <= {"acted"}


def test_end_of_a_hold_out_releases_its_accounts(families: SignalBook, overlay: Path) -> None:
    subjects = [account(n, **DOWN) for n in range(2, 42)]
    families.set_subjects("account", *subjects)
    families.book.decide(decision_id="down")
    arms = {row["entity_id"]: row["arm"] for row in families.book.episodes("adoption_recovery")}
    held = {key for key, arm in arms.items() if arm == "held_out"}
    assert held and {row.entity_id for row in families.book.outbox(rule="adoption_recovery")} == arms.keys() - held
    (overlay / "playbooks" / "adoption_recovery.yaml").write_text(
        SHIPPED.read_text().replace("version: 1", "version: 2")
    )
    families.set_clock(at(1))
    families.book.decide()
    assert {row.entity_id for row in families.book.outbox(rule="adoption_recovery")} == arms.keys()


def test_ended_hold_out_keeps_its_last_reading(families: SignalBook, overlay: Path, monkeypatch: Any) -> None:
    reading = read_out(replace(DESIGN, name="adoption_recovery"), counts((1530, 1800), (390, 600)), DAY)
    monkeypatch.setattr(store, "read", lambda _, designs: dict.fromkeys(designs, reading))
    with engine("builder").begin() as connection:
        store.keep(connection, reading)
        assert overview.read(connection)["adoption_recovery"].reading == reading
        (overlay / "playbooks" / "adoption_recovery.yaml").write_text(SHIPPED.read_text())
        entry = overview.read(connection)["adoption_recovery"]
    assert entry.reading is None and entry.last and (entry.last.day, entry.last.verdict) == (DAY, "works")
    assert "works" in words.of(entry)[0]


def test_design_of_the_start_stays(families: SignalBook, overlay: Path) -> None:
    families.set_subjects("account", *(account(n) for n in range(2, 202)))
    families.book.decide(decision_id="start")
    write(overlay, "hold_out: 0.5\nexperiment: {ends_on: 2026-11-17, smallest_effect: 0.05}")
    families.set_subjects("account", *(account(n) for n in range(2, 402)))
    families.set_clock(at(1))
    families.book.decide()
    (design,) = [dict(row) for row in _designs()]
    assert (design["hold_out"], design["ends_on"], design["smallest_effect"]) == (0.25, None, 0.1)
    later = [row["arm"] for key, row in assigned().items() if int(key[4:]) > 201]
    assert later.count("held_out") == pytest.approx(50, abs=2)


def test_nobody_is_held_out_after_the_planned_end(families: SignalBook, overlay: Path) -> None:
    write(overlay, f"hold_out: 0.25\nexperiment: {{ends_on: {at(1):%Y-%m-%d}}}")
    families.set_subjects("account", *(account(n) for n in range(2, 42)))
    families.book.decide(decision_id="start")
    with engine("builder").begin() as connection:
        assert hold_outs.held_out(connection, load(), at(1).date())
        assert hold_outs.held_out(connection, load(), at(2).date()) == {}


def _designs() -> Any:
    with engine("reader").connect() as connection:
        return connection.execute(sa.text("select * from ops.experiment")).mappings().all()
