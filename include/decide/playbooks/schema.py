"""The schema of a playbook file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.decide.rules.schema import Name, RuleFile, Text


class Trigger(Strict):
    """The trigger of a playbook: either a checkpoint of a renewal, or signals.

    Args:
        rung: It starts for renewals whose decision is at most this many days away. Terms shorter than twice this are
            skipped, as on the ladder.
        signals: It starts for subjects for which one of these signals is open. All of them must have the same kind of
            subject.
        at_risk: With a rung: it starts only for accounts with an open risk, and ends when no risk is open any more.
        when: An additional condition over the subject's columns.
    """

    rung: Annotated[int, Field(ge=1, le=365)] | None = None
    signals: tuple[Name, ...] = ()
    at_risk: bool = False
    when: str = ""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Trigger:
        if (self.rung is None) == (not self.signals):
            raise ValueError("needs either a rung or signals")
        if self.at_risk and self.rung is None:
            raise ValueError("at_risk needs a rung; list the signals instead")
        return self


class Exit(Strict):
    """Early ends of a playbook, in addition to the end of its renewal or signals.

    Args:
        when: Condition over the subject's columns: the risk is gone, or the goal is reached.
        after_days: It ends this many days after it started; empty for never.
    """

    when: str = ""
    after_days: Annotated[int, Field(ge=1, le=730)] | None = None


class Step(Strict):
    """One step, which becomes a task.

    Args:
        id: Its name within the playbook. It is part of the task's key, so never reuse it for another step.
        owner: The assignee: the account's CSM, or the team's lead.
        due_in_working_days: Working days in the account's region, counted from the day on which the step begins.
        depends_on: Earlier steps. It begins when all of them are completed, or at the latest when they are overdue.
        only_if: Condition over the columns, evaluated when the step begins. If it is false, the step is skipped
            permanently. While it is unknown, the step waits.
        subject: Jinja template of one line.
        body: Jinja template. Line breaks are kept.
    """

    id: Name
    kind: Literal["crm_task"]
    owner: Literal["csm", "lead"]
    due_in_working_days: Annotated[int, Field(ge=0, le=120)]
    priority: Literal["LOW", "MEDIUM", "HIGH"] = "MEDIUM"
    depends_on: tuple[Name, ...] = ()
    only_if: str = ""
    subject: Annotated[str, Field(min_length=1, max_length=250)]
    body: Text


class Experiment(Strict):
    """The question that a hold-out answers, fixed when the hold-out starts.

    Args:
        horizon_days: A renewal counts if it is decided within this many days after the playbook's trigger.
        smallest_effect: The smallest gain of the renewal rate that is worth knowing, as a share.
        ends_on: The planned end. Its interval decides whether the playbook works; empty for none.
    """

    horizon_days: Annotated[int, Field(ge=30, le=730)] = 200
    smallest_effect: Annotated[float, Field(gt=0, lt=1)] = 0.1
    ends_on: date | None = None


class Tested(RuleFile):
    """A rule whose effect a hold-out measures.

    Args:
        hold_out: The share of account families, chosen by hash, for which nothing is done. Their starts are only
            recorded, so that comparing them with the others measures the effect. Key accounts are never held out.
        experiment: What the hold-out measures.
    """

    hold_out: Annotated[float, Field(ge=0, le=0.5)] = 0
    experiment: Experiment = Experiment()

    @property
    def design(self) -> dict[str, Any]:
        """The design of its hold-out, as it is stored at the start."""
        return {"hold_out": self.hold_out, **self.experiment.model_dump()}


class Playbook(Tested):
    """One playbook. A running one continues with the version that it started with.

    Args:
        guide: The URL of its explanation for the CSM; empty for none.
        first_scan: What happens to subjects that reached the trigger before the playbook was first evaluated:
            ``silent`` skips them, ``start`` starts for them too.
        outcome: The possible outcomes. The person who completes the last task enters one of them.
    """

    type: ClassVar[str] = "playbook"

    guide: str = ""
    trigger: Trigger
    first_scan: Literal["silent", "start"] = "silent"
    exit: Exit = Exit()
    outcome: Annotated[tuple[Text, ...], Field(min_length=2, max_length=8)]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)]
