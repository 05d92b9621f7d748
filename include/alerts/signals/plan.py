"""From what holds today to episodes and to what a CSM is told: opened, worse, closed; never twice, never too much.

A signal looked at for the first time keeps what holds already as open without telling anybody: switching a rule on must
not flood a team. After that each manager gets at most a few alerts a day, the weightiest first; the rest comes once a
day as a list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from include.alerts.day import Day, Outcome
from include.alerts.episodes import Change, Episode
from include.alerts.recipients import Recipient, recipient
from include.alerts.renewal_message import calendar_of
from include.alerts.signals import messages
from include.alerts.signals.evaluate import Hit
from include.alerts.signals.load import Loaded
from include.alerts.signals.schema import Signal
from include.delivery.outbox import Action
from include.playbooks import working_days

# fresh: opened or worse since the last decision; waiting: for the next list; listed: in today's, perhaps not sent.
How = Literal["fresh", "waiting", "listed"]
DIGEST = "signal_digest"
ALERTED = ("account", "contact")  # entity kinds that alerts are about
READER = "csm"  # entity kind of what is about a person's day, not about one account
# An alert that could not be sent for so long is no news.
USEFUL_DAYS = 7
_GONE = ("sent", "sending", "uncertain", "suppressed", "failed", "expired")


@dataclass(frozen=True)
class Looked:
    """What was found of one signal.

    Args:
        loaded: The signal.
        hits: What opens or is open.
        episodes: The last episode of each subject.
        is_first: Whether it was never looked at before.
    """

    loaded: Loaded
    hits: Sequence[Hit]
    episodes: Mapping[str, Episode]
    is_first: bool


@dataclass(frozen=True)
class Told:
    """What was told already.

    Args:
        n_today: Alerts planned today, by address.
        states: State of today's digests, by key.
    """

    n_today: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class News:
    """One thing to tell: an episode that has opened or become worse."""

    loaded: Loaded
    hit: Hit
    episode_no: int
    step: str
    is_worse: bool
    to: Recipient

    @property
    def rank(self) -> tuple[bool, bool, float, str]:
        """What is told first: what is worse, risks, the most money at stake."""
        return (
            not self.is_worse,
            self.loaded.signal.kind != "risk",
            -float(self.hit.values["arr"] or 0),
            f"{self.loaded.signal.name} {self.hit.subject_id}",
        )


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
        is_held = day.readiness.why_held(hit.values["crm_source"], hit.account_key) or (
            loaded.kinds & day.readiness.unfit_kinds(hit.account_key)
        )
        if is_held:
            outcome.n_held += hit.opens and not (last and last.state == "open")
        elif last and last.state == "open":
            yield from _of_open(day, looked, hit, last, outcome)
        elif hit.opens and may_open(day.today, loaded.signal, hit.values, last.closed_on if last else None):
            yield from _opened(day, looked, hit, last.episode_no + 1 if last else 1, outcome)
    for subject_id, episode in looked.episodes.items():
        if episode.state == "open" and subject_id not in seen:
            source = episode.account_key.partition(":")[0]
            if not day.readiness.why_held(source, episode.account_key):
                because = "it is no longer listed: no customer any more, gone from the CRM, or excluded"
                outcome.changes.append(_close(loaded, episode, {"as_of": day.as_of.isoformat()}, because))


def may_open(today: date, signal: Signal, values: Mapping[str, Any], closed_on: date | None) -> bool:
    """Return whether a signal may open for something whose condition holds.

    Args:
        today: The day.
        signal: The signal.
        values: The thing's columns.
        closed_on: When its last episode with it was closed; None for never.
    """
    if signal.status == "retired" or any(quiet.includes(today) for quiet in signal.quiet):
        return False
    if not signal.audience.includes(values["tier"], values["region"], values["industry"]):
        return False
    if signal.min_days_as_customer and (values["days_as_customer"] or 0) < signal.min_days_as_customer:
        return False
    return closed_on is None or today >= closed_on + timedelta(days=signal.cool_down_days)


def _opened(day: Day, looked: Looked, hit: Hit, number: int, outcome: Outcome) -> Iterator[tuple[News, How]]:
    signal = looked.loaded.signal
    is_silent = signal.status == "draft" or (looked.is_first and signal.first_scan == "silent")
    outcome.changes.append(_change("open", looked.loaded, hit, number, day, told="silent" if is_silent else ""))
    if not is_silent:
        yield _news(day, looked.loaded, hit, number, "opened"), "fresh"


def _of_open(day: Day, looked: Looked, hit: Hit, last: Episode, outcome: Outcome) -> Iterator[tuple[News, How]]:
    signal = looked.loaded.signal
    if hit.closes or signal.status == "retired":
        because = f"over: {signal.close}" if hit.closes else "the signal was retired"
        outcome.changes.append(_close(looked.loaded, last, _evidence(looked.loaded, hit, day), because))
        return
    outcome.changes.append(_change("update", looked.loaded, hit, last.episode_no, day))
    if signal.status == "draft":
        return
    if hit.is_worse and last.severity != "high":
        yield _news(day, looked.loaded, hit, last.episode_no, "worse"), "fresh"
    elif last.told_as == "waiting":
        yield _news(day, looked.loaded, hit, last.episode_no, last.told_step), "waiting"
    elif last.told_on == day.today and last.told_as == "digest":
        yield _news(day, looked.loaded, hit, last.episode_no, last.told_step), "listed"
    elif last.told_on == day.today and last.told_as == "alert":
        outcome.actions += _alert(day, _news(day, looked.loaded, hit, last.episode_no, last.told_step))


def _news(day: Day, loaded: Loaded, hit: Hit, number: int, step: str) -> News:
    return News(loaded, hit, number, step, hit.is_worse, recipient(hit.owner, "csm", day.settings.people))


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
    digest = list(_digest(day, address, rest))
    has_left = any(told.states.get(action.key) in _GONE for action in digest)
    outcome.changes += [_told(news, day, "waiting" if has_left else "digest") for news in unlisted]
    outcome.actions += [] if has_left else digest


def _alert(day: Day, news: News) -> list[Action]:
    message = messages.alert(news.loaded, news.hit, news.step, news.to, day)
    return [
        _action(
            day,
            news.hit.values,
            channel=channel,
            entity_kind=news.loaded.signal.about,
            entity_id=news.hit.subject_id,
            rule=news.loaded.signal.name,
            episode_no=news.episode_no,
            step=news.step,
            account_key=news.hit.account_key,
            owner_key=news.to.owner_key,
            recipient=news.to.email,
            subject=message.headline,
            body=message.model_dump(mode="json"),
            reads=_reads(day, news),
            version=f"{news.loaded.signal.name} {news.loaded.signal.version}",
        )
        for channel in day.settings.channels.messages_by
    ]


def _digest(day: Day, address: str, rest: Sequence[News]) -> Iterator[Action]:
    message = messages.digest(rest, day)
    first = rest[0]
    for channel in day.settings.channels.messages_by:
        yield _action(
            day,
            first.hit.values,
            channel=channel,
            entity_kind=READER,
            entity_id=address,
            rule=DIGEST,
            episode_no=1,
            step=day.today.isoformat(),
            account_key=first.hit.account_key,
            owner_key="",
            recipient=address,
            subject=message.headline,
            body=message.model_dump(mode="json"),
            reads=tuple(sorted({source for news in rest for source in _reads(day, news)})),
            version="digest 1",
        )


def _action(day: Day, values: Mapping[str, Any], *, channel: str, **said: Any) -> Action:
    state, because = day.planned_state(channel)
    return Action(
        channel=channel,
        not_before=_working_moment(day, values["region"]),
        not_after=day.after(day.today + timedelta(days=USEFUL_DAYS)),
        state=state,
        because=because,
        **said,
    )


def _working_moment(day: Day, region: str | None) -> datetime | None:
    """Return when the region next works; None while it does."""
    where = calendar_of(region, day.settings)
    hours = day.settings.attention.sending_hours
    moment = working_days.next_moment(
        day.now,
        ZoneInfo(where.zone),
        working_days.calendar(where.country),
        time(hours.first),
        time(hours.last),
    )
    return moment if moment > day.now else None


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
        **{name: _plain(hit.values[name]) for name in sorted(used) if name in hit.values},
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


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


def _close(loaded: Loaded, episode: Episode, evidence: dict[str, Any], because: str) -> Change:
    return Change(
        "close",
        loaded.signal.name,
        episode.entity_id,
        episode.episode_no,
        episode.account_key,
        evidence,
        because=because,
        entity_kind=episode.entity_kind,
    )
