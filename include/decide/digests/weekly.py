"""Plan the weekly digests: the state of each lead's team, and the accounts without a reachable CSM.

They are planned once a week, by the first decision within the reader's working hours: on Monday morning, on Tuesday
after a public holiday, or on Thursday if nothing ran before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include.common import formatting, texts
from include.common.texts import gettext, ngettext
from include.common.words import word
from include.config.person import Lead
from include.decide.context import Day, Outcome
from include.decide.digests.digest import to_reader, working_moment
from include.decide.episodes import RENEWAL
from include.decide.recipients import Owner, Recipient, calendar_of, recipient
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.rules.planner import why_on_hold
from include.decide.rules.scan import Scanned
from include.decide.signals.schema import Signal
from include.outbox import tasks
from include.outbox.message import Evidence, Fact, Message
from include.outbox.store import Action
from include.scores.forecast import lines, lists
from include.scores.forecast.lists import Disagreement
from include.warehouse.engine import engine, has_table

DIGEST, ORPHANS = "lead_digest", "orphans"
AHEAD_DAYS = 90
MAX_LINES = 40
MAX_DISAGREEMENTS = 10
_USEFUL_DAYS = 2
_NOTIFIED = ("alert", "digest", "waiting")


def plan(connection: sa.Connection, day: Day, scanned: Sequence[Scanned[Signal]]) -> Outcome:
    """Return the weekly digests; none while a CRM's data is not up to date and validated."""
    outcome = Outcome()
    if any(not state.is_fit for state in day.readiness.of_kind("crm")):
        return outcome
    teams: dict[str, list[str]] = defaultdict(list)
    for team, lead in day.settings.people.team_leads.items():
        teams[lead.email].append(team)
    leads = {lead.email: lead for lead in day.settings.people.team_leads.values()}
    overdue = _overdue(connection, day)
    disagreements = _disagreements(day)
    for address, lead in leads.items():
        week = _week(day, lead.region)
        with day.reading(address):
            message = _digest(day, teams[address], scanned, overdue, disagreements) if week else None
        if message:
            outcome.actions += _actions(day, address, DIGEST, week, message, lead.region)
    if _week(day, "default") or any(_week(day, lead.region) for lead in leads.values()):
        outcome.actions += _orphans(day, leads)
    return outcome


def _week(day: Day, region: str) -> str:
    """Return the current ISO week of a region that is in its working hours; "" outside them.

    Every decision of the week plans the same digest. Its key makes sure that it is sent once.
    """
    if working_moment(day, region) is not None:
        return ""
    year, week, _ = day.now.astimezone(ZoneInfo(calendar_of(region, day.settings).zone)).isocalendar()
    return f"{year}-W{week:02d}"


def _actions(day: Day, address: str, rule: str, week: str, message: Message, region: str) -> list[Action]:
    crms = tuple(sorted(state.source for state in day.readiness.of_kind("crm")))
    return to_reader(
        day,
        address,
        rule=rule,
        step=week,
        message=message,
        region=region,
        account_key="",
        reads=crms,
        useful_days=_USEFUL_DAYS,
    )


def _digest(
    day: Day,
    teams: Sequence[str],
    scanned: Sequence[Scanned[Signal]],
    overdue: Mapping[str, int],
    disagreements: Sequence[Disagreement],
) -> Message | None:
    renewals = [row for row in day.renewals.values() if row.owner_team in teams]
    ahead = [row for row in renewals if 0 <= (row.decision_date - day.today).days <= AHEAD_DAYS]
    alerts = Counter(_open_alerts(day, teams, scanned))
    on_hold = Counter(_on_hold(day, renewals, teams, scanned))
    people = {row.owner_email: row.owner_name or row.owner_email for row in renewals if row.owner_email}
    people |= dict(alerts.keys())
    if not (ahead or alerts or on_hold):
        return None
    per_reader: Counter[str] = Counter()
    for (address, _), number in alerts.items():
        per_reader[address] += number
    of_team = sum(overdue.get(address, 0) for address in people)
    return Message(
        subject=ngettext(
            "Your week: {n} decision in {days} days, {amount}",
            "Your week: {n} decisions in {days} days, {amount}",
            len(ahead),
            days=AHEAD_DAYS,
            amount=_worth(ahead),
        ),
        summary=gettext(
            "{alerts}, {tasks}, {n} on hold until the data has passed its checks. Teams: {teams}.",
            alerts=ngettext("{n} alert open", "{n} alerts open", per_reader.total()),
            tasks=ngettext("{n} task overdue", "{n} tasks overdue", of_team),
            n=on_hold.total(),
            teams=", ".join(sorted(teams)),
        ),
        facts=tuple(
            Fact(label=tier, value=f"{_decisions(len(rows))}, {_worth(rows)}")
            for tier, rows in sorted(_by_tier(ahead).items())
        ),
        why_now=gettext("Sent once a week, as early in your working hours as the data allows."),
        evidence=(
            *(
                Evidence(
                    text=gettext(
                        "{person}: {alerts}, {tasks}, {decisions}",
                        person=people[address],
                        alerts=ngettext("{n} open alert", "{n} open alerts", per_reader[address]),
                        tasks=ngettext("{n} overdue task", "{n} overdue tasks", overdue.get(address, 0)),
                        decisions=_decisions(sum(row.owner_email == address for row in ahead)),
                    ),
                    source=gettext("tasks, as last read from the CRM"),
                    level="risk" if overdue.get(address) else "info",
                )
                for address in sorted(people, key=lambda one: (-overdue.get(one, 0), -per_reader[one], one))
            ),
            *_disputed([one for one in disagreements if one.line.team in teams]),
            *(
                Evidence(text=gettext("On hold: {n} ({reason})", n=number, reason=reason), level="unknown")
                for reason, number in on_hold.most_common(5)
            ),
        ),
        footer=gettext("Data as of {day}.", day=formatting.day(day.as_of)),
    )


def _decisions(n: int) -> str:
    return ngettext("{n} decision", "{n} decisions", n)


def _disagreements(day: Day) -> list[Disagreement]:
    """Return renewals decided in the next 90 days that category or pulse rates better than the health score."""
    with engine("reader").connect() as tables:
        if not has_table(tables, lines.TABLE):
            return []
        found = lists.disagreements(lines.read(tables))
    return [
        one
        for one in found
        if one.line.as_of == day.as_of and 0 <= (one.line.decision_date - day.today).days <= AHEAD_DAYS
    ]


def _disputed(entries: Sequence[Disagreement]) -> Iterator[Evidence]:
    for one in entries[:MAX_DISAGREEMENTS]:
        yield Evidence(
            text=gettext(
                "Discuss {account}: {reason}; {amount} a year, decision by {day}",
                account=one.line.account,
                reason=one.reason,
                amount=formatting.money(one.line.target, one.line.currency),
                day=formatting.day(one.line.decision_date),
            ),
            source=gettext("renewal forecast"),
            level="risk",
        )
    if left := max(0, len(entries) - MAX_DISAGREEMENTS):
        yield Evidence(text=ngettext("{n} more such renewal", "{n} more such renewals", left), level="info")


def _worth(rows: Sequence[Checkpoint]) -> str:
    currency = next((row.currency for row in rows if row.currency), "")
    total = sum((row.target_arr or Decimal(0) for row in rows), Decimal(0))
    return gettext("{amount} a year", amount=formatting.money(total, currency))


def _by_tier(rows: Sequence[Checkpoint]) -> dict[str, list[Checkpoint]]:
    found: dict[str, list[Checkpoint]] = defaultdict(list)
    for row in rows:
        found[word(row.tier) if row.tier else gettext("no tier")].append(row)
    return found


def _open_alerts(day: Day, teams: Sequence[str], scanned: Sequence[Scanned[Signal]]) -> Iterator[tuple[str, str]]:
    """Yield the address and name of each open alert's reader."""
    for renewal in day.renewals.values():
        episode = day.episodes.get((RENEWAL, renewal.renewal_id))
        if renewal.owner_team in teams and episode and episode.state == "open":
            reader = day.reader(renewal, episode)
            yield reader.email, reader.name
    for one in scanned:
        for hit in one.hits:
            episode = one.episodes.get(hit.subject_id)
            if (
                hit.owner.owner_team in teams
                and episode
                and episode.state == "open"
                and episode.notified_as in _NOTIFIED
            ):
                reader = day.reader(hit.owner, episode)
                yield reader.email, reader.name


def _on_hold(
    day: Day, renewals: Sequence[Checkpoint], teams: Sequence[str], scanned: Sequence[Scanned[Signal]]
) -> Iterator[str]:
    """Yield why each reminder or alert is on hold."""
    yield from (reason for row in renewals if (reason := day.why_on_hold(row)))
    for one in scanned:
        for hit in one.hits:
            if hit.opens and hit.owner.owner_team in teams and (reason := why_on_hold(day, one.rule, hit)):
                yield reason


def _overdue(connection: sa.Connection, day: Day) -> Counter[str]:
    """Return the number of overdue tasks by the address of their assignee."""
    rows = connection.execute(
        sa.text(
            "select case when t.owner_id in ('', o.address) then o.recipient"  # noqa: S608
            " else split_part(o.account_key, ':', 1) || ':' || t.owner_id end as assignee, count(*) as number"
            " from ops.task as t join ops.outbox as o on o.key = t.key"
            f" where t.state in ('open', 'started') and t.due_on < :today and not {tasks.is_over('o')}"
            " group by 1"
        ),
        {"today": day.today},
    )
    found: Counter[str] = Counter()
    for assignee, number in rows.tuples():
        found[day.assignees[assignee].email if assignee in day.assignees else assignee] += number
    return found


def _orphans(day: Day, leads: Mapping[str, Lead]) -> Iterator[Action]:
    with engine("reader").connect() as tables:
        if not has_table(tables, "marts.act_account"):
            return
        rows = tables.execute(
            sa.text(
                "select account_name, arr, currency, next_decision_date, owner_key, owner_name, owner_email,"
                " owner_team, owner_is_active from marts.act_account where as_of_day = :as_of"
                " and (owner_key is null or owner_is_active is not true or owner_email is null)"
                " order by arr desc nulls last, account_key"
            ),
            {"as_of": day.as_of},
        ).all()
    by_address: dict[str, list[tuple[Any, Recipient]]] = defaultdict(list)
    for row in rows:
        owner = Owner(**{name: getattr(row, name) for name in Owner.__dataclass_fields__})
        reader = recipient(owner, "csm", day.settings.people)
        by_address[reader.email].append((row, reader))
    for address, entries in sorted(by_address.items()):
        region = leads[address].region if address in leads else "default"
        if week := _week(day, region):
            with day.reading(address):
                message = _orphan_message(entries, day)
            yield from _actions(day, address, ORPHANS, week, message, region)


def _orphan_message(entries: Sequence[tuple[Any, Recipient]], day: Day) -> Message:
    total = sum((row.arr or Decimal(0) for row, _ in entries), Decimal(0))
    amount = formatting.money(total, entries[0][0].currency)
    sentences = [gettext("They are worth {amount} a year. Their alerts go to you.", amount=amount)]
    if len(entries) > MAX_LINES:
        sentences.append(ngettext("{n} more is not shown.", "{n} more are not shown.", len(entries) - MAX_LINES))
    return Message(
        subject=ngettext("{n} account without a reachable CSM", "{n} accounts without a reachable CSM", len(entries)),
        summary=texts.space().join(sentences),
        why_now=gettext("Sent once a week while there are such accounts."),
        evidence=tuple(
            Evidence(text=_orphan(row), source=reader.cause, level="risk" if row.next_decision_date else "info")
            for row, reader in entries[:MAX_LINES]
        ),
        next_steps=(gettext("Assign each account to an active owner in the CRM."),),
        footer=gettext("Data as of {day}.", day=formatting.day(day.as_of)),
    )


def _orphan(row: Any) -> str:
    amount = formatting.money(row.arr, row.currency)
    if not row.next_decision_date:
        return gettext("{account}: {amount} a year", account=row.account_name, amount=amount)
    return gettext(
        "{account}: {amount} a year, decision by {day}",
        account=row.account_name,
        amount=amount,
        day=formatting.day(row.next_decision_date),
    )
