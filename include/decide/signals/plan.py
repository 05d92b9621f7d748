"""Turn the signals' conditions of today into notifications: opened, worse, or due again. Nobody is notified twice.

By default, a signal that is evaluated for the first time opens its episodes silently: switching on a rule must not
flood a team. After that each CSM gets at most a few alerts a day, the highest priority first. The rest comes once a day
in a digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from include.decide.context import Day, Outcome
from include.decide.digests.digest import USEFUL_DAYS, to_reader, working_moment
from include.decide.episodes import Change
from include.decide.rules.planner import Evaluation, Planner
from include.decide.rules.reasons import DetailedReason, Reason
from include.decide.rules.scan import Scanned
from include.decide.signals import messages
from include.decide.signals.events import Event
from include.decide.signals.messages import SNOOZE_ENDED
from include.decide.signals.schema import Signal
from include.outbox.store import Action

# fresh: opened, worse or due again today; waiting: for the next digest; listed: already in today's digest, which may
# not have been sent.
EventState = Literal["fresh", "waiting", "listed"]
DIGEST = "signal_digest"
# An episode that a person closed stays closed for at least this many days, even if its condition still holds.
ANSWERED_DAYS = 30
ALERTED = ("account", "contact")  # entity kinds that alerts are about
_GONE = ("sent", "sending", "uncertain", "suppressed", "failed", "expired")


@dataclass(frozen=True)
class Notified:
    """Notifications planned so far today.

    Args:
        n_today: Alerts planned today, by address.
        states: The state of today's digests, by key.
    """

    n_today: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)


def notified(connection: sa.Connection, day: Day) -> Notified:
    """Return the notifications planned so far today."""
    alerts = connection.execute(
        sa.text(
            "select recipient, count(distinct (entity_kind, entity_id, rule, episode_no, step)) from ops.outbox"
            " where entity_kind = any(:kinds) and channel = any(:channels)"
            " and planned_at >= :since group by recipient"
        ),
        {"kinds": list(ALERTED), "channels": list(day.settings.channels.messages_by), "since": day.start_of(day.today)},
    )
    digests = connection.execute(
        sa.text("select key, state from ops.outbox where rule = :rule and step = :step"),
        {"rule": DIGEST, "step": day.today.isoformat()},
    )
    return Notified(dict(alerts.tuples().all()), dict(digests.tuples().all()))


def filters(
    today: date, signal: Signal, values: Mapping[str, Any], closed_on: date | None, is_answered: bool = False
) -> list[DetailedReason]:
    """Return the filters that keep a signal from opening for a subject whose condition holds; empty if it opens.

    Args:
        values: The subject's columns.
        closed_on: The day on which its last episode was closed; None for never.
        is_answered: Whether a person closed that episode.
    """
    reasons = [DetailedReason(Reason.RETIRED)] if signal.status == "retired" else []
    reasons += [
        DetailedReason(Reason.QUIET_PERIOD, {"first": quiet.first, "last": quiet.last})
        for quiet in signal.quiet
        if quiet.includes(today)
    ]
    reasons += signal.audience.outside(values)
    days, at_least = values["days_as_customer"], signal.min_days_as_customer
    if at_least and (days or 0) < at_least:
        reasons.append(DetailedReason(Reason.MINIMUM_HISTORY, {"days": days, "at_least": at_least}))
    if closed_on is not None:
        reopens_on = closed_on + timedelta(days=max(signal.cool_down_days, ANSWERED_DAYS if is_answered else 0))
        if today < reopens_on:
            facts = {"closed_on": closed_on, "opens_again_on": reopens_on, "is_answered": is_answered}
            reasons.append(DetailedReason(Reason.COOL_DOWN, facts))
    return reasons


class Alerts(Planner[Signal]):
    """Plans the alerts and digests of a day."""

    kept = frozenset({"arr"})

    def __init__(self, day: Day, notified: Notified) -> None:
        super().__init__(day)
        self._notified = notified
        self._risks: dict[str, set[str]] = defaultdict(set)  # account -> its open risk signals

    def plan(self, scanned: Sequence[Scanned[Signal]]) -> Outcome:
        """Return today's changes, alerts and digests."""
        found: dict[str, dict[EventState, list[Event]]] = defaultdict(lambda: defaultdict(list))
        unfit = self.day.readiness.unfit
        self._collect_open_risks(scanned)
        # Signals with ``unless_at_risk`` come last, so that a risk that opens today blocks them.
        for one in sorted(scanned, key=lambda each: each.rule.file.unless_at_risk):
            if any(kind in unfit and unfit[kind] is None for kind in one.rule.kinds):
                self.outcome.n_on_hold += sum(hit.opens for hit in one.hits)
                continue
            for evaluation in self.follow(one):
                for event, state in self._events(evaluation):
                    found[event.to.email][state].append(event)
        for address in sorted(found):
            self._notify(address, found[address])
        return self.outcome

    def _collect_open_risks(self, scanned: Sequence[Scanned[Signal]]) -> None:
        for one in scanned:
            if _is_live_risk(one.rule.file):
                for episode in one.episodes.values():
                    # Silent episodes do not count: nobody was notified of them.
                    if episode.state == "open" and episode.notified_as != "silent":
                        self._risks[episode.account_key].add(one.rule.file.name)

    def close_reason(self, evaluation: Evaluation[Signal]) -> str:
        signal = evaluation.rule.file
        if evaluation.on_hold:
            return ""
        if evaluation.hit is None:
            return "it is no longer listed: no longer a customer, deleted in the CRM, or excluded"
        if evaluation.hit.closes:
            return f"its closing condition is true: {signal.close}"
        return "the signal was retired" if signal.status == "retired" else ""

    def filters(self, evaluation: Evaluation[Signal]) -> list[DetailedReason]:
        closed_on, is_answered = (
            (evaluation.last.closed_on, bool(evaluation.last.answer)) if evaluation.last else (None, False)
        )
        signal = evaluation.rule.file
        reasons = filters(self.day.today, signal, evaluation.values, closed_on, is_answered)
        if signal.unless_at_risk and (others := self._risks[evaluation.account_key] - {signal.name}):
            reasons.append(DetailedReason(Reason.OTHER_RISK_OPEN, {"signals": sorted(others)}))
        return reasons

    def severity(self, evaluation: Evaluation[Signal]) -> str:
        return "high" if evaluation.hit and evaluation.hit.is_worse else "normal"

    def sources(self, evaluation: Evaluation[Signal]) -> tuple[str, ...]:
        """Return the account's CRM and billing systems, and all sources of the kinds that the signal depends on."""
        ready = self.day.readiness
        billing = [each.source for each in ready.billing(str(evaluation.values["account_key"]))]
        others = [each.source for kind in sorted(evaluation.rule.kinds) for each in ready.of_kind(kind)]
        return (evaluation.values["crm_source"], *billing, *others)

    def figures(self, evaluation: Evaluation[Signal]) -> dict[str, Any]:
        """Return the evidence of an episode, with the thresholds and kinds of source that its signal used."""
        more = {
            "sources": sorted({"crm", *evaluation.rule.kinds}),
            "thresholds": evaluation.rule.thresholds_of(evaluation.values["tier"]),
        }
        return super().figures(evaluation) | more

    def open_episode(self, evaluation: Evaluation[Signal], **fields: Any) -> None:
        """Open an episode. Nobody is notified if the signal is a draft, or on a silent first scan."""
        if _is_live_risk(evaluation.rule.file):
            self._risks[evaluation.account_key].add(evaluation.rule.file.name)
        super().open_episode(evaluation, notified_as="silent" if _is_silent(evaluation) else "", **fields)

    def _events(self, evaluation: Evaluation[Signal]) -> Iterator[tuple[Event, EventState]]:
        hit, last, today = evaluation.hit, evaluation.open, self.day.today
        if evaluation.close_reason or evaluation.on_hold or hit is None or evaluation.rule.file.status == "draft":
            return
        to = self.day.reader(hit.owner, last)
        if last is None:
            if not _is_silent(evaluation):
                yield Event(evaluation, hit, "opened", to), "fresh"
        elif last.is_snoozed(today):
            return
        elif hit.is_worse and last.severity != "high":
            yield Event(evaluation, hit, "worse", to), "fresh"
        elif last.snoozed_until and last.notified_on and last.notified_on < last.snoozed_until:
            yield Event(evaluation, hit, f"{SNOOZE_ENDED}{last.snoozed_until}", to), "fresh"
        elif last.notified_as == "waiting":
            yield Event(evaluation, hit, last.notified_step, to), "waiting"
        elif last.notified_on == today and last.notified_as == "digest":
            yield Event(evaluation, hit, last.notified_step, to), "listed"
        elif last.notified_on == today and last.notified_as == "alert":
            self.outcome.actions += self._alert(Event(evaluation, hit, last.notified_step, to))

    def _notify(self, address: str, found: Mapping[EventState, list[Event]]) -> None:
        """Plan a CSM's top alerts, up to the daily budget, and list the rest in the digest."""
        budget = self.day.settings.attention.alerts_per_person_and_day
        slots = max(0, budget - self._notified.n_today.get(address, 0))
        fresh = sorted(found["fresh"], key=lambda event: event.rank)
        for event in fresh[:slots]:
            self.outcome.actions += self._alert(event)
            self.outcome.changes.append(_notification(event, "alert"))
        unlisted = [*fresh[slots:], *found["waiting"]]
        digest_events = sorted([*unlisted, *found["listed"]], key=lambda event: event.rank)
        if not digest_events:
            return
        digest = self._digest(address, digest_events)
        has_left = any(self._notified.states.get(action.key) in _GONE for action in digest)
        self.outcome.changes += [_notification(event, "waiting" if has_left else "digest") for event in unlisted]
        self.outcome.actions += [] if has_left else digest

    def _alert(self, event: Event) -> list[Action]:
        return self.alert(
            event.evaluation,
            messages.alert(event, self.day),
            event.step,
            event.to,
            reads=self.sources(event.evaluation),
            not_before=working_moment(self.day, event.values["region"]),
            not_after=self.day.after(self.day.today + timedelta(days=USEFUL_DAYS)),
        )

    def _digest(self, address: str, digest_events: Sequence[Event]) -> list[Action]:
        return to_reader(
            self.day,
            address,
            rule=DIGEST,
            step=self.day.today.isoformat(),
            message=messages.digest(digest_events, self.day),
            region=digest_events[0].values["region"],
            account_key=digest_events[0].hit.account_key,
            reads=tuple(sorted({source for event in digest_events for source in self.sources(event.evaluation)})),
        )


def _is_live_risk(signal: Signal) -> bool:
    return signal.kind == "risk" and signal.status == "live"


def _is_silent(evaluation: Evaluation[Signal]) -> bool:
    signal = evaluation.rule.file
    return signal.status == "draft" or (evaluation.scanned.is_first and signal.first_scan == "silent")


def _notification(event: Event, notified_as: str) -> Change:
    return Change(
        "notify",
        event.rule.file.name,
        event.hit.subject_id,
        event.evaluation.number,
        event.hit.account_key,
        {},
        entity_kind=event.rule.about,
        notified_as=notified_as,
        notified_step=event.step,
    )
