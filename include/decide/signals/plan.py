"""From what holds today to episodes and to what a CSM is notified of: opened, worse, closed; never twice.

A signal evaluated for the first time keeps what holds already as open and notifies nobody: switching a rule on must not
flood a team. After that each CSM gets at most a few alerts a day, the weightiest first; the rest comes once a day as a
digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

from include.decide import alert_tasks
from include.decide.context import Day, Outcome, plain
from include.decide.digests.digest import USEFUL_DAYS, to_reader, working_moment
from include.decide.episodes import Change, Episode
from include.decide.explain.reasons import Block, Reason, Why
from include.decide.playbooks.schema import Audience
from include.decide.signals import messages
from include.decide.signals.evaluate import Hit
from include.decide.signals.events import Evaluated, Event, Notified
from include.decide.signals.load import Loaded
from include.decide.signals.messages import WOKE
from include.decide.signals.schema import Signal
from include.outbox.store import Action

# fresh: opened or worse since the last decision; waiting: for the next list; listed: in today's, perhaps not sent.
How = Literal["fresh", "waiting", "listed"]
DIGEST = "signal_digest"
# What a person has closed stays closed at least so long, although it may still hold.
ANSWERED_DAYS = 30
ALERTED = ("account", "contact")  # entity kinds that alerts are about
_GONE = ("sent", "sending", "uncertain", "suppressed", "failed", "expired")


def plan(day: Day, evaluated: Sequence[Evaluated], notified: Notified) -> Outcome:
    """Return what happens today by the signals."""
    outcome = Outcome()
    found: dict[str, dict[How, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for one in evaluated:
        for event, how in _of_signal(day, one, outcome):
            found[event.to.email][how].append(event)
    for address in sorted(found):
        _notify(day, address, found[address], notified, outcome)
    return outcome


def _of_signal(day: Day, evaluated: Evaluated, outcome: Outcome) -> Iterator[tuple[Event, How]]:
    loaded, seen = evaluated.loaded, set()
    unfit = day.readiness.unfit()
    if any(kind in unfit and unfit[kind] is None for kind in loaded.kinds):
        outcome.n_held += sum(hit.opens for hit in evaluated.hits)
        return
    for hit in evaluated.hits:
        seen.add(hit.subject_id)
        last = evaluated.episodes.get(hit.subject_id)
        if why_held(day, loaded, hit):
            outcome.n_held += hit.opens and not (last and last.state == "open")
        elif last and last.state == "open":
            yield from _of_open(day, evaluated, hit, last, outcome)
        elif hit.opens:
            closed_on, is_answered = (last.closed_on, bool(last.answer)) if last else (None, False)
            no = filters(day.today, loaded.signal, hit.values, closed_on, is_answered)
            outcome.blocked += [
                Block(loaded.signal.name, loaded.signal.about, hit.subject_id, hit.account_key, why) for why in no
            ]
            if not no:
                yield from _opened(day, evaluated, hit, last.episode_no + 1 if last else 1, outcome)
    for subject_id, episode in evaluated.episodes.items():
        if episode.state == "open" and subject_id not in seen:
            source = episode.account_key.partition(":")[0]
            if not day.readiness.why_held(source, episode.account_key):
                because = "it is no longer listed: no customer any more, gone from the CRM, or excluded"
                outcome.changes.append(episode.change("close", {"as_of": day.as_of.isoformat()}, because=because))


def why_held(day: Day, loaded: Loaded, hit: Hit) -> str:
    """Return why nothing may be said of a subject today; "" if it may."""
    unfit = sorted(loaded.kinds & day.readiness.unfit_kinds(hit.account_key))
    held = day.readiness.why_held(hit.values["crm_source"], hit.account_key)
    return held or (day.readiness.why_unknown(unfit[0], hit.account_key, day.now) if unfit else "")


def filters(
    today: date, signal: Signal, values: Mapping[str, Any], closed_on: date | None, is_answered: bool = False
) -> list[Why]:
    """Return the filters that keep a signal from opening for something whose condition holds; none: it opens.

    Args:
        today: The day.
        signal: The signal.
        values: The thing's columns.
        closed_on: When its last episode with it was closed; None for never.
        is_answered: Whether a person closed that one.
    """
    no = [Why(Reason.RETIRED)] if signal.status == "retired" else []
    no += [
        Why(Reason.QUIET_PERIOD, {"first": quiet.first, "last": quiet.last})
        for quiet in signal.quiet
        if quiet.includes(today)
    ]
    no += outside(signal.audience, values)
    days, at_least = values["days_as_customer"], signal.min_days_as_customer
    if at_least and (days or 0) < at_least:
        no.append(Why(Reason.MINIMUM_HISTORY, {"days": days, "at_least": at_least}))
    if closed_on is not None:
        again_on = closed_on + timedelta(days=max(signal.cool_down_days, ANSWERED_DAYS if is_answered else 0))
        if today < again_on:
            facts = {"closed_on": closed_on, "opens_again_on": again_on, "is_answered": is_answered}
            no.append(Why(Reason.COOL_DOWN, facts))
    return no


def outside(audience: Audience, values: Mapping[str, Any]) -> list[Why]:
    """Return why an account does not belong to an audience; nothing if it does."""
    wanted = {"tier": audience.tiers, "region": audience.regions, "industry": audience.industries}
    return [
        Why(Reason.NOT_IN_AUDIENCE, {"name": name, "value": values[name], "wanted": chosen})
        for name, chosen in wanted.items()
        if chosen and values[name] not in chosen
    ]


def _opened(day: Day, evaluated: Evaluated, hit: Hit, number: int, outcome: Outcome) -> Iterator[tuple[Event, How]]:
    signal = evaluated.loaded.signal
    is_silent = signal.status == "draft" or (evaluated.is_first and signal.first_scan == "silent")
    outcome.changes.append(_change("open", evaluated.loaded, hit, number, day, told="silent" if is_silent else ""))
    if not is_silent:
        yield _event(day, evaluated.loaded, hit, number, "opened", None), "fresh"


def _of_open(day: Day, evaluated: Evaluated, hit: Hit, last: Episode, outcome: Outcome) -> Iterator[tuple[Event, How]]:
    signal = evaluated.loaded.signal
    if hit.closes or signal.status == "retired":
        because = f"over: {signal.close}" if hit.closes else "the signal was retired"
        outcome.changes.append(last.change("close", _evidence(evaluated.loaded, hit, day), because=because))
        return
    outcome.changes.append(_change("update", evaluated.loaded, hit, last.episode_no, day))
    if signal.status == "draft" or last.rests(day.today):
        return

    def event(step: str) -> Event:
        return _event(day, evaluated.loaded, hit, last.episode_no, step, last)

    if hit.is_worse and last.severity != "high":
        yield event("worse"), "fresh"
    elif last.snoozed_until and last.told_on and last.told_on < last.snoozed_until:
        yield event(f"{WOKE}{last.snoozed_until}"), "fresh"
    elif last.told_as == "waiting":
        yield event(last.told_step), "waiting"
    elif last.told_on == day.today and last.told_as == "digest":
        yield event(last.told_step), "listed"
    elif last.told_on == day.today and last.told_as == "alert":
        outcome.actions += _alert(day, event(last.told_step))


def _event(day: Day, loaded: Loaded, hit: Hit, number: int, step: str, last: Episode | None) -> Event:
    return Event(loaded, hit, number, step, hit.is_worse, day.reader(hit.owner, last))


def _notify(day: Day, address: str, found: Mapping[How, list[Event]], notified: Notified, outcome: Outcome) -> None:
    """Share out a person's attention: the weightiest of today at once, all else in the day's list."""
    slots = max(0, day.settings.attention.alerts_per_person_and_day - notified.n_today.get(address, 0))
    fresh = sorted(found["fresh"], key=lambda event: event.rank)
    for event in fresh[:slots]:
        outcome.actions += _alert(day, event)
        outcome.changes.append(_notified(event, day, "alert"))
    unlisted = [*fresh[slots:], *found["waiting"]]
    rest = sorted([*unlisted, *found["listed"]], key=lambda event: event.rank)
    if not rest:
        return
    digest = _digest(day, address, rest)
    has_left = any(notified.states.get(action.key) in _GONE for action in digest)
    outcome.changes += [_notified(event, day, "waiting" if has_left else "digest") for event in unlisted]
    outcome.actions += [] if has_left else digest


def _alert(day: Day, event: Event) -> list[Action]:
    message = messages.alert(event.loaded, event.hit, event.step, event.to, day)
    alerts = [
        day.action(
            channel,
            message,
            entity_kind=event.loaded.signal.about,
            entity_id=event.hit.subject_id,
            rule=event.loaded.signal.name,
            episode_no=event.episode_no,
            step=event.step,
            account_key=event.hit.account_key,
            owner_key=event.to.owner_key,
            recipient=event.to.email,
            reads=_reads(day, event),
            not_before=working_moment(day, event.hit.values["region"]),
            not_after=day.after(day.today + timedelta(days=USEFUL_DAYS)),
            version=f"{event.loaded.signal.name} {event.loaded.signal.version}",
        )
        for channel in day.settings.channels.messages_by
    ]
    values = event.hit.values
    task = alert_tasks.of_alert(
        alerts[0],
        message,
        day,
        region=values["region"],
        severity="high" if event.is_worse else "normal",
        company_id=values["crm_account_id"],
        to=event.to,
    )
    return [*alerts, task]


def _digest(day: Day, address: str, rest: Sequence[Event]) -> list[Action]:
    first = rest[0].hit
    return to_reader(
        day,
        address,
        rule=DIGEST,
        step=day.today.isoformat(),
        message=messages.digest(rest, day),
        region=first.values["region"],
        account_key=first.account_key,
        reads=tuple(sorted({source for event in rest for source in _reads(day, event)})),
    )


def _reads(day: Day, event: Event) -> tuple[str, ...]:
    others = [state.source for kind in sorted(event.loaded.kinds) for state in day.readiness.of_kind(kind)]
    return (event.hit.values["crm_source"], *others)


def _evidence(loaded: Loaded, hit: Hit, day: Day) -> dict[str, Any]:
    """Return what an episode keeps: the figures its conditions and texts use, their day, their sources."""
    used = {*loaded.open.columns, *loaded.close.columns, *(loaded.worse.columns if loaded.worse else ())}
    kinds = sorted({"crm", *loaded.kinds})
    return {
        "as_of": day.as_of.isoformat(),
        "sources": kinds,
        "version": loaded.signal.version,
        "arr": str(hit.values["arr"]),
        "thresholds": loaded.signal.thresholds_of(hit.values["tier"]),
        **{name: plain(hit.values[name]) for name in sorted(used) if name in hit.values},
    }


def _change(kind: Any, loaded: Loaded, hit: Hit, number: int, day: Day, told: str = "") -> Change:
    return Change(
        kind,
        loaded.signal.name,
        hit.subject_id,
        number,
        hit.account_key,
        _evidence(loaded, hit, day),
        "high" if hit.is_worse else "normal",
        entity_kind=loaded.signal.about,
        told_as=told,
    )


def _notified(event: Event, day: Day, how: str) -> Change:
    return Change(
        "tell",
        event.loaded.signal.name,
        event.hit.subject_id,
        event.episode_no,
        event.hit.account_key,
        {},
        entity_kind=event.loaded.signal.about,
        told_as=how,
        told_step=event.step,
    )
