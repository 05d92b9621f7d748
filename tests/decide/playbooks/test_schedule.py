"""Start and due dates of steps."""

from __future__ import annotations

from datetime import date

from include.common.working_days import calendar
from include.decide.playbooks.load import load
from include.decide.playbooks.schedule import slots

MONDAY = date(2026, 11, 16)
DAYS = calendar("DE")


def times(name: str, ended: dict[str, date], moved: dict[str, date] | None = None) -> dict[str, tuple[date, date]]:
    found = slots(load()[name].file, MONDAY, DAYS, ended, moved or {})
    return {slot.step.id: (slot.begins_on, slot.due_on) for slot in found}


def test_step_waits_for_its_dependencies_until_they_are_due() -> None:
    found = times("adoption_recovery", {})
    assert found["find_who_stopped"] == (MONDAY, date(2026, 11, 19))
    assert found["start_again"] == (date(2026, 11, 20), date(2026, 12, 4))
    assert found["tell_the_sponsor"] == (date(2026, 12, 5), date(2026, 12, 11))


def test_early_completion_starts_the_next_step_early() -> None:
    found = times("adoption_recovery", {"find_who_stopped": date(2026, 11, 17)})
    assert found["start_again"] == (date(2026, 11, 17), date(2026, 12, 1))


def test_late_completion_does_not_delay_the_next_step() -> None:
    found = times("adoption_recovery", {"find_who_stopped": date(2026, 12, 24)})
    assert found["start_again"][0] == date(2026, 11, 20)


def test_postponed_step_postpones_later_steps() -> None:
    found = times("adoption_recovery", {}, {"find_who_stopped": date(2026, 11, 30)})
    assert found["find_who_stopped"] == (MONDAY, date(2026, 11, 30))
    assert found["start_again"][0] == date(2026, 12, 1)
    early = times(
        "adoption_recovery", {"find_who_stopped": date(2026, 11, 27)}, {"find_who_stopped": date(2026, 12, 9)}
    )
    assert early["start_again"][0] == date(2026, 11, 27)
