"""Calculate when the steps of a running playbook begin and are due. This is pure date arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from include.common.working_days import WorkingCalendar, due_date
from include.decide.playbooks.schema import Playbook, Step


@dataclass(frozen=True)
class Slot:
    """The time of one step.

    Args:
        begins_on: The day on which its task is created.
        due_on: The day on which it is due.
    """

    step: Step
    begins_on: date
    due_on: date


def slots(
    playbook: Playbook,
    started_on: date,
    days: WorkingCalendar,
    ended: Mapping[str, date],
    moved: Mapping[str, date],
) -> list[Slot]:
    """Return the times of all steps, in order.

    A step that depends on others begins when the last of them has ended: on the day on which it was completed or
    skipped, if that is known, else on the day after it was due. A task that nobody completes therefore never blocks the
    playbook.

    Args:
        days: The calendar of the account's region.
        ended: Step -> the day on which it was completed or skipped, if known.
        moved: Step -> the due date to which somebody moved its task.
    """
    made: dict[str, Slot] = {}
    for step in playbook.steps:
        begins = max([started_on, *(_over(made[needed], ended) for needed in step.depends_on)])
        due_on = moved.get(step.id) or due_date(begins, step.due_in_working_days, days)
        made[step.id] = Slot(step, begins, due_on)
    return list(made.values())


def _over(slot: Slot, ended: Mapping[str, date]) -> date:
    return min(ended.get(slot.step.id, date.max), slot.due_on + timedelta(days=1))
