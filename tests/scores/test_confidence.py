"""Confidence of scores and the record of signals, from settled renewals."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from include.scores import precision
from include.scores.health import confidence, explanation
from include.scores.health.confidence import Confidence
from include.warehouse.engine import engine

DAY = date(2026, 6, 10)


def test_sentence_states_the_record_with_its_interval() -> None:
    said = " ".join(Confidence("high", 80, 90, 112, 96, 31, 60, "Would recommend us").sentences)
    assert "Of 112 comparable renewals (score 80 to 90, 60 to 120 days before the decision), 96 renewed" in said
    assert "85.7% (78.0 to 91.0)" in said
    assert "60 days old: Would recommend us" in said
    assert "Not calibrated" not in said
    few = " ".join(Confidence("low", 80, 90, 0, 0, 14, None, "").sentences)
    assert "No comparable renewal is settled" in few
    assert "14 of the 30 losses needed are settled" in few


def test_record_counts_each_settled_renewal_once(built: pytest.MonkeyPatch) -> None:
    low = int(explanation.of_day("crm:1").computed // 10) * 10  # type: ignore[operator]
    rows = [
        # renewal, part, settled on, days before, score
        *((f"r{n}", "on_time", date(2026, 5, 1), days, low + 5) for n in range(40) for days in (120, 90, 60)),
        *((f"l{n}", "lost", date(2026, 6, 10), 90, low) for n in range(10)),
        ("later", "lost", date(2026, 6, 11), 90, low),
        ("early", "lost", date(2026, 5, 1), 150, low),
        ("near", "lost", date(2026, 5, 1), 30, low),
        ("above", "lost", date(2026, 5, 1), 90, low + 10),
        ("open", "open", None, 90, low),
    ]
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("delete from marts.health_checkpoint; delete from marts.renewal_due")
        for name, part, settled, days, score in rows:
            named = {"id": name, "part": part, "settled": settled, "days": days, "score": score, "day": DAY}
            connection.execute(_CHECKPOINT, named)
            connection.execute(_DUE, named)
    found = explanation.of_day("crm:1").confidence
    assert found is not None
    assert (found.low, found.n, found.n_renewed) == (low, 50, 40)
    assert found.n_losses == 13  # every loss settled by then, with any score
    assert found.grade in ("medium", "low")  # 50 renewals are too few for "high"
    assert found.oldest_days is not None


@pytest.mark.parametrize(
    ("coverage", "n", "grade"),
    [(0.85, 100, "high"), (0.85, 99, "medium"), (0.849, 100, "medium"), (0.7, 30, "medium"), (0.7, 29, "low"),
     (0.699, 500, "low")],
)  # fmt: skip
def test_grade_requires_coverage_and_a_record(coverage: float, n: int, grade: str) -> None:
    assert confidence.grade(coverage, n) == grade


def test_signals_are_judged_by_their_episodes(built: pytest.MonkeyPatch) -> None:
    opened = [
        # signal, thing, account, opened on, how the CSM was notified
        ("usage_down", "1", "crm:a", date(2025, 1, 1), "alert"),
        ("usage_down", "2", "crm:b", date(2025, 6, 1), "digest"),
        ("usage_down", "3", "crm:c", date(2025, 6, 1), "silent"),
    ]
    settled = [
        ("crm:a", date(2025, 3, 31), "lost"),  # before the rule had 90 days
        ("crm:a", date(2025, 4, 1), "lost"),
        ("crm:b", date(2025, 8, 1), "on_time"),
        ("crm:c", date(2025, 8, 1), "lost"),
    ]
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("delete from core.renewal")
        for signal, entity, account, on, how in opened:
            connection.execute(_EPISODE, {"signal": signal, "id": entity, "account": account, "on": on, "how": how})
        for number, (account, on, outcome) in enumerate(settled):
            connection.execute(_RENEWAL, {"id": str(number), "account": account, "on": on, "outcome": outcome})
        (found,) = precision.of_history(connection, DAY)
    assert (found.name, found.n_decisions, found.n_all_lost) == ("usage_down", 3, 2)
    assert (found.precision, found.recall, found.lead) == (0.5, 0.5, 90)


_CHECKPOINT = sa.text(
    "insert into marts.health_checkpoint (renewal_id, account_key, days_before, as_of, computed)"
    " values (:id, 'crm:' || :id, :days, cast(:day as date) - 100, :score)"
)
_DUE = sa.text(
    "insert into marts.renewal_due (renewal_id, account_key, part, settled_on)"
    " select :id, 'crm:' || :id, :part, cast(:settled as date)"
    " where not exists (select from marts.renewal_due where renewal_id = :id)"
)
_EPISODE = sa.text(
    "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence, opened_on,"
    " updated_on, notified_as) values (:signal, 'account', :id, 1, :account, 'open', '{}', :on, :on, :how)"
)
_RENEWAL = sa.text(
    "insert into core.renewal (renewal_id, account_key, is_in_rate, outcome, decision_date, due_date, term_start,"
    " target_arr) values (:id, :account, true, :outcome, cast(:on as date), cast(:on as date),"
    " cast(:on as date) - 365, 100)"
)
