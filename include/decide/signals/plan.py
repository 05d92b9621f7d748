"""From what holds today to episodes and to what a CSM is told: opened, worse, closed; never twice, never too much.

A signal looked at for the first time keeps what holds already as open without telling anybody: switching a rule on must
not flood a team. After that each manager gets at most a few alerts a day, the weightiest first; the rest comes once a
day as a list.
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
from include.decide.signals import messages
from include.decide.signals.evaluate import Hit
from include.decide.signals.events import Looked, News, Told
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


def plan(day: Day, looked: Sequence[Looked], told: Told) -> Outcome:
    """Return what happens today by the signals."""
    outcome = Outcome()
    found: dict[str, dict[How, list[News]]] = defaultdict(lambda: defaultdict(list))
    for one in looked:
        for news, how in _of_signal(day, one, outcome):
            found[news.to.email][how].append(news)
    for address in sorted(found):
        _tell(day, address, found[address], told, outcome)
    return outcome


def _of_signal(day: Day, looked: Looked, outcome: Outcome) -> Iterator[tuple[News, How]]:
    loaded, seen = looked.loaded, set()
    unfit = day.readiness.unfit()
    if any(kind in unfit and unfit[kind] is None for kind in loaded.kinds):
        outcome.n_held += sum(hit.opens for hit in looked.hits)
        return
    for hit in looked.hits:
        seen.add(hit.subject_id)
        last = looked.episodes.get(hit.subject_id)
        if why_held(day, loaded, hit):
            outcome.n_held += hit.opens and not (last and last.state == "open")
        elif last and last.state == "open":
            yield from _of_open(day, looked, hit, last, outcome)
        elif hit.opens and may_open(
            day.today, loaded.signal, hit.values, last.closed_on if last else None, bool(last and last.answer)
        ):
            yield from _opened(day, looked, hit, last.episode_no + 1 if last else 1, outcome)
    for subject_id, episode in looked.episodes.items():
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


def may_open(
    today: date, signal: Signal, values: Mapping[str, Any], closed_on: date | None, is_answered: bool = False
) -> bool:
    """Return whether a signal may open for something whose condition holds.

    Args:
        today: The day.
        signal: The signal.
        values: The thing's columns.
        closed_on: When its last episode with it was closed; None for never.
        is_answered: Whether a person closed that one.
    """
    if signal.status == "retired" or any(quiet.includes(today) for quiet in signal.quiet):
        return False
    if not signal.audience.includes(values["tier"], values["region"], values["industry"]):
        return False
    if signal.min_days_as_customer and (values["days_as_customer"] or 0) < signal.min_days_as_customer:
        return False
    quiet_days = max(signal.cool_down_days, ANSWERED_DAYS if is_answered else 0)
    return closed_on is None or today >= closed_on + timedelta(days=quiet_days)


def _opened(day: Day, looked: Looked, hit: Hit, number: int, outcome: Outcome) -> Iterator[tuple[News, How]]:
    signal = looked.loaded.signal
    is_silent = signal.status == "draft" or (looked.is_first and signal.first_scan == "silent")
    outcome.changes.append(_change("open", looked.loaded, hit, number, day, told="silent" if is_silent else ""))
    if not is_silent:
        yield _news(day, looked.loaded, hit, number, "opened", None), "fresh"


def _of_open(day: Day, looked: Looked, hit: Hit, last: Episode, outcome: Outcome) -> Iterator[tuple[News, How]]:
    signal = looked.loaded.signal
    if hit.closes or signal.status == "retired":
        because = f"over: {signal.close}" if hit.closes else "the signal was retired"
        outcome.changes.append(last.change("close", _evidence(looked.loaded, hit, day), because=because))
        return
    outcome.changes.append(_change("update", looked.loaded, hit, last.episode_no, day))
    if signal.status == "draft" or last.rests(day.today):
        return

    def news(step: str) -> News:
        return _news(day, looked.loaded, hit, last.episode_no, step, last)

    if hit.is_worse and last.severity != "high":
        yield news("worse"), "fresh"
    elif last.snoozed_until and last.told_on and last.told_on < last.snoozed_until:
        yield news(f"{WOKE}{last.snoozed_until}"), "fresh"
    elif last.told_as == "waiting":
        yield news(last.told_step), "waiting"
    elif last.told_on == day.today and last.told_as == "digest":
        yield news(last.told_step), "listed"
    elif last.told_on == day.today and last.told_as == "alert":
        outcome.actions += _alert(day, news(last.told_step))


def _news(day: Day, loaded: Loaded, hit: Hit, number: int, step: str, last: Episode | None) -> News:
    return News(loaded, hit, number, step, hit.is_worse, day.reader(hit.owner, last))


def _tell(day: Day, address: str, found: Mapping[How, list[News]], told: Told, outcome: Outcome) -> None:
    """Share out a person's attention: the weightiest of today at once, all else in the day's list."""
    slots = max(0, day.settings.attention.alerts_per_person_and_day - told.n_today.get(address, 0))
    fresh = sorted(found["fresh"], key=lambda news: news.rank)
    for news in fresh[:slots]:
        outcome.actions += _alert(day, news)
        outcome.changes.append(_told(news, day, "alert"))
    unlisted = [*fresh[slots:], *found["waiting"]]
    rest = sorted([*unlisted, *found["listed"]], key=lambda news: news.rank)
    if not rest:
        return
    digest = _digest(day, address, rest)
    has_left = any(told.states.get(action.key) in _GONE for action in digest)
    outcome.changes += [_told(news, day, "waiting" if has_left else "digest") for news in unlisted]
    outcome.actions += [] if has_left else digest


def _alert(day: Day, news: News) -> list[Action]:
    message = messages.alert(news.loaded, news.hit, news.step, news.to, day)
    alerts = [
        day.action(
            channel,
            message,
            entity_kind=news.loaded.signal.about,
            entity_id=news.hit.subject_id,
            rule=news.loaded.signal.name,
            episode_no=news.episode_no,
            step=news.step,
            account_key=news.hit.account_key,
            owner_key=news.to.owner_key,
            recipient=news.to.email,
            reads=_reads(day, news),
            not_before=working_moment(day, news.hit.values["region"]),
            not_after=day.after(day.today + timedelta(days=USEFUL_DAYS)),
            version=f"{news.loaded.signal.name} {news.loaded.signal.version}",
        )
        for channel in day.settings.channels.messages_by
    ]
    values = news.hit.values
    task = alert_tasks.of_alert(
        alerts[0],
        message,
        day,
        region=values["region"],
        severity="high" if news.is_worse else "normal",
        company_id=values["crm_account_id"],
        to=news.to,
    )
    return [*alerts, task]


def _digest(day: Day, address: str, rest: Sequence[News]) -> list[Action]:
    first = rest[0].hit
    return to_reader(
        day,
        address,
        rule=DIGEST,
        step=day.today.isoformat(),
        message=messages.digest(rest, day),
        region=first.values["region"],
        account_key=first.account_key,
        reads=tuple(sorted({source for news in rest for source in _reads(day, news)})),
    )


def _reads(day: Day, news: News) -> tuple[str, ...]:
    others = [state.source for kind in sorted(news.loaded.kinds) for state in day.readiness.of_kind(kind)]
    return (news.hit.values["crm_source"], *others)


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


def _told(news: News, day: Day, how: str) -> Change:
    return Change(
        "tell",
        news.loaded.signal.name,
        news.hit.subject_id,
        news.episode_no,
        news.hit.account_key,
        {},
        entity_kind=news.loaded.signal.about,
        told_as=how,
        told_step=news.step,
    )
