"""What a playbook file says."""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.decide.rules.schema import Name, RuleFile, Text


class Trigger(Strict):
    """What starts it: a checkpoint of a renewal, or signals; exactly one of the two.

    Args:
        rung: It starts for renewals whose decision is at most so many days away. Terms shorter than twice as long are
            left out, as on the ladder.
        signals: It starts for what one of these signals is open for; they must be about the same kind of thing.
        at_risk: With a rung: it starts only for accounts with an open risk, and ends when none is open any more.
        when: Condition over the columns of the thing, which must hold besides.
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
            raise ValueError("at_risk goes with a rung; name the signals instead")
        return self


class Exit(Strict):
    """What ends it early, next to the end of the renewal or of its signals.

    Args:
        when: Condition over the columns of the thing: the risk is gone, or the aim is reached.
        after_days: It ends so many days after it started; empty for never.
    """

    when: str = ""
    after_days: Annotated[int, Field(ge=1, le=730)] | None = None


class Step(Strict):
    """One thing to do.

    Args:
        id: Its name within the playbook; it is part of the task's key, so it is never given to another step.
        owner: Whose it is: the account's own CSM, or the team's lead.
        due_in_working_days: Counted from the day on which the step begins, in the account's region.
        depends_on: Earlier steps: it begins when all of them are completed, at the latest when their time is over.
        only_if: Condition over the columns, evaluated when the step begins; false leaves the step out permanently, and
            while it is unknown the step waits.
        subject: Jinja template of one line.
        body: Jinja template; line breaks are kept.
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


class Playbook(RuleFile):
    """One playbook file; what runs continues with the version that it began with.

    Args:
        guide: Address of the text that explains it to the CSM; empty for none.
        hold_out: Share of the accounts, chosen by hash, for which it is only recorded that it would have started: by
            comparing them with the others its effect can be measured.
        first_scan: What happens to what was reached before it was evaluated for the very first time: ``silent`` leaves
            it alone, ``start`` starts for it too.
        outcome: What may have come of it; anyone who completes the last task writes one of them.
    """

    type: ClassVar[str] = "playbook"

    guide: str = ""
    trigger: Trigger
    hold_out: Annotated[float, Field(ge=0, le=0.5)] = 0
    first_scan: Literal["silent", "start"] = "silent"
    exit: Exit = Exit()
    outcome: Annotated[tuple[Text, ...], Field(min_length=2, max_length=8)]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)]

    def holds_out(self, account_key: str) -> bool:
        """Return whether an account belongs to the share that is held out: always the same ones."""
        digest = hashlib.sha256(f"{self.name}:{account_key}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.hold_out * 2**64
