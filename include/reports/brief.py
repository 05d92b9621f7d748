"""Build the renewal brief: everything a CSM needs before a renewal talk, read from the warehouse alone.

A brief names people, so only the account's CSM and lead may see it. A section whose data no source provides says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from include import config
from include.common import clock, formatting
from include.common.errors import ConfigError
from include.decide import readiness, risk
from include.decide.renewals.message import risk_sentence
from include.decide.rule_texts import evidence, live_signals, titles
from include.decide.signals.load import load as load_signals
from include.gate import availability
from include.reports import brief_queries, questions
from include.reports.page import Section, render
from include.scores.health import explanation
from include.scores.precision import HORIZON_DAYS

_CAUSES = 6
_ROLES = {"user": "user", "champion": "champion", "decision": "decision maker", "veto": "veto holder"}


@dataclass(frozen=True)
class Brief:
    """A renewal brief.

    Args:
        as_of: The day at whose close the figures were taken.
        head: Label and value of the first lines.
    """

    account_key: str
    name: str
    renewal_id: str
    as_of: date
    head: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    @property
    def title(self) -> str:
        return f"Renewal brief: {self.name}"

    def html(self) -> str:
        """Return the brief as one self-contained page."""
        head = Section("At a glance", ("", ""), self.head)
        return render(self.title, f"{self.account_key}, at the close of {self.as_of}", (head, *self.sections))


def read(account_key: str, renewal_id: str = "") -> Brief:
    """Return the brief of an account's renewal.

    Args:
        account_key: The account.
        renewal_id: The renewal; by default the open one with the next decision date.

    Raises:
        ConfigError: There is no such account, or it has no open renewal.
    """
    with brief_queries.opened(account_key) as rows:
        account = rows.one(brief_queries.ACCOUNT)
        if account is None:
            raise ConfigError(f"unknown account {account_key}", cure="write source:id, such as crm:1001")
        known = {row["renewal_id"]: row for row in rows.all(brief_queries.RENEWALS)}
        renewal = known.get(renewal_id) if renewal_id else next(iter(known.values()), None)
        if renewal is None:
            there = f"open: {', '.join(known)}" if known else "it has no open renewal"
            raise ConfigError(f"there is no open renewal {renewal_id} of {account_key}".replace("  ", " "), cure=there)
        today = rows.one(brief_queries.TODAY) or {}
        ask = questions.choose(today, rows.all(brief_queries.FEATURES), rows.all(brief_queries.TICKETS))
        return Brief(
            account_key,
            str(account["name"]),
            str(renewal["renewal_id"]),
            rows.as_of,
            _head(account, renewal, today, rows),
            (
                *_sections(rows, today, renewal["term_start"]),
                _comparable(rows, today),
                Section("Three questions to ask", columns=("",), rows=[(one,) for one in ask]),
            ),
        )


@dataclass(frozen=True)
class Account:
    """The full profile of an account, with or without an open renewal.

    Args:
        as_of: The day at whose close the figures were taken.
        renewals: Its open renewals with their probability, next decision first.
    """

    account_key: str
    name: str
    tier: str
    csm: str
    as_of: date
    currency: str
    arr: float | None
    value: float | None
    renewals: tuple[Mapping[str, Any], ...]
    sections: tuple[Section, ...]


def of_account(account_key: str) -> Account:
    """Return the full profile of an account.

    Raises:
        ConfigError: There is no such account.
    """
    with brief_queries.opened(account_key) as rows:
        account = rows.one(brief_queries.ACCOUNT)
        if account is None:
            raise ConfigError(f"unknown account {account_key}", cure="write source:id, such as crm:1001")
        today = rows.one(brief_queries.TODAY) or {}
        renewals = tuple(rows.all(brief_queries.RENEWALS))
        since = renewals[0]["term_start"] if renewals else rows.as_of - timedelta(days=365)
        value = rows.one(brief_queries.VALUE)
        return Account(
            account_key,
            str(account["name"]),
            str(account["tier"] or ""),
            str(account["owner"] or ""),
            rows.as_of,
            rows.currency,
            float(today["arr"]) if today.get("arr") is not None else None,
            float(value["score"]) if value else None,
            renewals,
            (*_sections(rows, today, since), _timeline(rows)),
        )


def _sections(rows: brief_queries.Rows, today: Mapping[str, Any], since: date) -> tuple[Section, ...]:
    return (
        _risks(rows, today),
        _causes(rows, since),
        _usage(rows, today),
        _tickets(rows),
        _people(rows),
        _products(rows),
        _prices(rows),
        _invoices(rows),
        _tasks(rows),
        _competitors(rows),
    )


def _timeline(rows: brief_queries.Rows) -> Section:
    known = titles()
    events = rows.all(brief_queries.TIMELINE, live=live_signals())
    found = [(row["day"], row["what"], known.get(row["about"], row["about"])) for row in events]
    return Section(
        "Timeline of the last 180 days", ("day", "what", "about"), found, (), "" if found else "Nothing happened."
    )


def _head(
    account: Mapping[str, Any], renewal: Mapping[str, Any], today: Mapping[str, Any], rows: brief_queries.Rows
) -> tuple[tuple[str, str], ...]:
    left = (renewal["decision_date"] - rows.as_of).days
    notice = " (notice deadline)" if renewal["decision_date"] == renewal["notice_deadline"] else ""
    value = rows.one(brief_queries.VALUE)
    health = "not scored"
    if today.get("computed") is not None:
        health = f"{today['shown']}, {today['band']}; {formatting.percent(today['coverage'])} of its weight has data"
    forecast = "no forecast"
    if renewal["probability"] is not None:
        forecast = f"{formatting.percent(renewal['probability'])}: {renewal['reason']}"
    return (
        ("Customer", f"{account['name']} ({account['tier'] or 'no tier'})"),
        ("CSM", str(account["owner"] or "none in the CRM")),
        ("Contract", f"{renewal['contract_number'] or renewal['contract_key']}, term {renewal['term_no']}"),
        ("At stake", f"{formatting.money(renewal['target_arr'], rows.currency)} a year"),
        ("Decide by", f"{formatting.weekday(renewal['decision_date'])}{notice}, {_distance(left)}"),
        ("Due date", formatting.weekday(renewal["due_date"])),
        ("Auto-renews", "yes" if renewal["is_auto_renew"] else "no"),
        ("Notice", f"given on {renewal['notice_given_on']}" if renewal["notice_given_on"] else "none given"),
        ("Probability", forecast),
        ("Health", health),
        ("Customer value", f"{value['score']} of 100" if value else "not scored"),
    )


def _distance(days: int) -> str:
    count = formatting.count(abs(days), "day")
    return f"in {count}" if days > 0 else "today" if not days else f"{count} ago"


def _products(rows: brief_queries.Rows) -> Section:
    found = [
        (
            line["product"] or "-",
            formatting.number(line["quantity"]) if line["quantity"] is not None else "-",
            formatting.number(line["arr"]),
            _discount(line["arr"], line["list_arr"]),
            line["currency"],
            line["term_start"],
            line["last_day"] or "until cancelled",
        )
        for line in rows.all(brief_queries.LINES)
    ]
    columns = ("product", "quantity", "ARR", "discount", "currency", "from", "to")
    return Section("Products", columns, found, (1, 2, 3), "" if found else "Nothing is under contract today.")


def _discount(arr: Any, list_arr: Any) -> str:
    return formatting.percent(1 - arr / list_arr) if list_arr and arr is not None and list_arr > arr else "-"


def _prices(rows: brief_queries.Rows) -> Section:
    found = [
        (row["day"], row["movement"], f"{row['change']:+,.0f}", *(_signed(row[name]) for name in _CHANGES),
         formatting.number(row["arr_end"]))
        for row in rows.all(brief_queries.MOVEMENTS)
    ]  # fmt: skip
    columns = ("day", "what", "ARR change", "by seats", "by price", "by discount", "ARR after")
    return Section("Price history", columns, found, (2, 3, 4, 5, 6), f"In {rows.currency}, newest first.")


def _signed(value: Any) -> str:
    return f"{value:+,.0f}" if value else "-"


def _usage(rows: brief_queries.Rows, today: Mapping[str, Any]) -> Section:
    features = rows.all(brief_queries.FEATURES)
    if not any(row["n_events"] for row in features):
        return Section("Usage", text="No usage recorded in the last 28 days.")
    sentences = []
    if today.get("active_users_28d") is not None:
        seats = f" of {today['paid_seats']} paid seats" if today.get("paid_seats") else ""
        sentences.append(f"{formatting.count(today['active_users_28d'], 'active user')}{seats} in 28 days.")
    if today.get("use_ratio") is not None:
        sentences.append(f"Usage is at {formatting.percent(today['use_ratio'])} of its usual level.")
    unused = [row["feature"] for row in features if row["is_key_feature"] and not row["n_events"]]
    if unused:
        sentences.append(f"Key features not used: {', '.join(unused)}.")
    table_rows = [
        (row["feature"], row["n_events"], row["n_users"], row["teams"] or "-") for row in features if row["n_events"]
    ]
    return Section("Usage", ("feature", "events, 28 days", "people", "teams"), table_rows, (1, 2), " ".join(sentences))


def _tickets(rows: brief_queries.Rows) -> Section:
    found = [
        (
            row["ticket_id"],
            row["created_day"],
            row["priority"] or "-",
            row["status"],
            row["n_reopens"],
            row["rating"] or "-",
            row["reason"],
        )
        for row in rows.all(brief_queries.TICKETS)
    ]
    count = rows.one(brief_queries.TICKET_COUNT)
    if count is None or not count["n"]:
        is_read = bool(availability.available("support"))
        return Section(
            "Support tickets",
            text="No tickets linked to this account in the last year." if is_read else "Tickets are not connected.",
        )
    total = f"{formatting.count(count['n'], 'ticket')} in the last year"
    columns = ("ticket", "created", "priority", "status", "reopened", "rating", "problem")
    return Section(
        "Support tickets",
        columns,
        found,
        (4,),
        f"{total}; {'those with problems, newest first' if found else 'none with problems'}.",
    )


def _tasks(rows: brief_queries.Rows) -> Section:
    found = [
        (row["rule"], row["step"], row["owner"] or "-", row["due_on"] or "-", row["state"])
        for row in rows.all(brief_queries.TASKS)
    ]
    columns = ("for", "step", "CSM", "due", "state")
    return Section("Tasks of the last year", columns, found, (), "" if found else "No tasks were created.")


def _invoices(rows: brief_queries.Rows) -> Section:
    row = rows.one(brief_queries.INVOICES)
    if row is None or not row["n"]:
        return Section("Invoices", text="No invoices found for this account.")
    total = f"{formatting.count(row['n'], 'invoice')} due in the last two years"
    text = f"{total}, {row['n_late']} paid more than 5 days late."
    if row["overdue_since"]:
        text += f" Overdue: {row['n_overdue']}, the oldest since {row['overdue_since']}."
    return Section("Invoices", text=text)


def _risks(rows: brief_queries.Rows, today: Mapping[str, Any]) -> Section:
    signals = load_signals()
    live = risk.live_risks(signals)
    risks = [row for row in rows.all(brief_queries.RISKS) if row["signal"] in live]
    reasons = evidence(rows.connection, [(row["signal"], rows.account_key) for row in risks], 2)
    found = [
        (live[row["signal"]].file.title, row["severity"], row["opened_on"], reason or "-", row["done"] or "none yet")
        for row, reason in zip(risks, reasons, strict=True)
    ]
    columns = ("risk", "severity", "since", "reason", "action taken")
    # In the words of the reminder, from the same sources: data that is stale or not validated is not known.
    ready = readiness.of_newest(rows.connection, config.load(), clock.now())
    has = {"product": today.get("usage_28d") is not None, "support": today.get("n_open_tickets") is not None}
    found_risk = risk.read(rows.connection, ready, signals).of(rows.account_key, has)
    return Section("Risks", columns, found, (), risk_sentence(found_risk))


def _causes(rows: brief_queries.Rows, since: date) -> Section:
    title = "Why health changed since the last renewal"
    first = rows.one(brief_queries.FIRST_SCORE, since=since)
    if first is None or first["first"] is None or first["first"] >= first["last"]:
        return Section(title, text="Not enough scores to compare.")
    try:
        change = explanation.between(rows.connection, rows.account_key, first["first"], first["last"])
    except ConfigError as error:
        return Section(title, text=f"{error.message}.")
    lines = sorted(change.lines, key=lambda line: -abs(line.change))
    found = [(line.cause, line.kind, f"{line.change:+.2f}", line.before, line.after) for line in lines[:_CAUSES]]
    rest = sum(line.change for line in lines[_CAUSES:])
    if len(lines) > _CAUSES:
        found.append((f"{len(lines) - _CAUSES} others", "", f"{rest:+.2f}", "", ""))
    text = f"{change.before} on {change.since}, {change.after} on {change.day}."
    return Section(title, ("cause", "kind", "points", "then", "now"), found, (2,), text)


def _people(rows: brief_queries.Rows) -> Section:
    people = rows.all(brief_queries.PEOPLE)
    found = [
        (
            row["name"] or row["email"] or row["contact_key"],
            row["job_title"] or "-",
            row["role"] or "-",
            formatting.day(row["last_contact_on"]),
        )
        for row in people
    ]
    filled = {
        "user": any(row["is_user"] for row in people),
        "champion": any(row["is_champion"] for row in people),
        "decision": any(row["is_decision_maker"] for row in people),
        "veto": any(row["is_veto"] for row in people),
    }
    missing = [_ROLES[name] for name, is_filled in filled.items() if not is_filled]
    text = f"Not known: {', '.join(missing)}." if missing else "Every role is filled."
    gone = rows.one(brief_queries.GONE)
    if gone and gone["gone_on"]:
        text += f" A key contact left on {gone['gone_on']}."
    return Section("People and roles", ("name", "title", "role", "last contact"), found, (), text)


def _competitors(rows: brief_queries.Rows) -> Section:
    mentions = rows.all(brief_queries.MENTIONS)
    record = rows.one(brief_queries.COMPETITOR_RECORD, horizon=HORIZON_DAYS)
    if mentions:
        sentences = [f"Mentioned on {', '.join(str(row['day']) for row in mentions)}."]
    elif config.load().competitors:
        sentences = ["None of the configured competitors was mentioned in the last year."]
    else:
        sentences = ["Not known: no competitors are configured."]
    if record and record["n"]:
        sentences.append(
            f"Of {record['n']} settled renewals with a competitor mentioned in the {HORIZON_DAYS} days before the"
            f" decision, {record['n_lost']} were lost."
        )
    return Section("Competitors", text=" ".join(sentences))


def _comparable(rows: brief_queries.Rows, today: Mapping[str, Any]) -> Section:
    found = rows.one(brief_queries.COMPARABLE, tier=today.get("tier"), band=today.get("last_band"))
    title = "Comparable renewals"
    if not found or not found["n"]:
        return Section(title, text="No renewal of this tier and band is settled yet.")
    kept = f", with {formatting.percent(found['kept'])} of their ARR" if found["kept"] is not None else ""
    return Section(
        title,
        text=f"Of {found['n']} settled renewals of tier {today.get('tier') or 'none'} that were {today['last_band']}"
        f" 60 to 120 days before the decision, {found['n'] - found['n_lost']} renewed{kept}.",
    )


_CHANGES = ("seats_change_arr", "price_change_arr", "discount_change_arr")
