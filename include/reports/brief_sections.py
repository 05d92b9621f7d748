"""Write the sections of a brief and of an account's profile, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from include import config
from include.common import clock, formatting, texts
from include.common.errors import ConfigError
from include.common.texts import N_, gettext, ngettext
from include.common.words import word, words
from include.config.own_texts import translated
from include.decide import readiness, risk
from include.decide.renewals.message import risk_sentence
from include.decide.rule_texts import evidence, live_signals, titles
from include.decide.signals.load import load as load_signals
from include.gate import availability
from include.reports import brief_queries
from include.reports.page import Section
from include.scores.forecast import lines
from include.scores.health import explanation
from include.scores.precision import HORIZON_DAYS

_CAUSES = 6
_EVENTS = {
    "alert opened": N_("alert opened"),
    "alert closed": N_("alert closed"),
    "playbook started": N_("playbook started"),
    "playbook ended": N_("playbook ended"),
    "touch": N_("on the list of a touch"),
    "task done": N_("task done"),
    "contact": N_("contact"),
    "notice given": N_("the customer gave notice"),
    "urgent ticket": N_("urgent ticket"),
    "high ticket": N_("high-priority ticket"),
}
_MOVEMENTS = {
    "new": N_("new"),
    "reactivation": N_("reactivation"),
    "expansion": N_("expansion"),
    "contraction": N_("contraction"),
    "churn": N_("churn"),
    "transfer": N_("transfer"),
    "rates": N_("exchange rates"),
    "bucket": N_("late or paused"),
}
_ROLES = {
    "user": N_("user"),
    "champion": N_("champion"),
    "decision": N_("decision maker"),
    "veto": N_("veto holder"),
}


def timeline(rows: brief_queries.Rows) -> Section:
    known = titles()
    events = rows.all(brief_queries.TIMELINE, live=live_signals())
    found = [(row["day"], _what(row["what"]), known.get(row["about"], row["about"])) for row in events]
    return Section(
        gettext("Timeline of the last 180 days"),
        _columns("day", "what", "about"),
        found,
        (),
        "" if found else gettext("Nothing happened."),
    )


def _what(event: str) -> str:
    """Return an event of the timeline in the reader's language."""
    first, _, rest = event.partition(" ")
    if first == "ARR:":
        return gettext("ARR: {movement}", movement=_movement(rest))
    if first == "pulse":
        return gettext("pulse {score}", score=rest)
    return gettext(_EVENTS[event]) if event in _EVENTS else event


def _movement(code: str) -> str:
    return gettext(_MOVEMENTS[code]) if code in _MOVEMENTS else code


def head(
    account: Mapping[str, Any], renewal: Mapping[str, Any], today: Mapping[str, Any], rows: brief_queries.Rows
) -> tuple[tuple[str, str], ...]:
    left = (renewal["decision_date"] - rows.as_of).days
    is_notice = renewal["decision_date"] == renewal["notice_deadline"]
    decide_by = gettext(
        "{day}, {distance} (notice deadline)" if is_notice else "{day}, {distance}",
        day=formatting.weekday(renewal["decision_date"]),
        distance=formatting.distance(left),
    )
    value = rows.one(brief_queries.VALUE)
    health = gettext("not scored")
    if today.get("computed") is not None:
        health = gettext(
            "{score}, {band}; {share} of its weight has data",
            score=today["shown"],
            band=word(today["band"]),
            share=formatting.percent(today["coverage"]),
        )
    forecast = gettext("no forecast")
    if renewal["probability"] is not None:
        names = ("line_class", "category", "band", "horizon", "n_settled", "n_renewed")
        reason = lines.why(*(renewal[name] for name in names))
        forecast = f"{formatting.percent(renewal['probability'])}: {reason}"
    return (
        (gettext("Customer"), f"{account['name']} ({word(account['tier']) or gettext('no tier')})"),
        (gettext("CSM"), str(account["owner"] or gettext("none in the CRM"))),
        (
            gettext("Contract"),
            gettext(
                "{contract}, term {number}",
                contract=renewal["contract_number"] or renewal["contract_key"],
                number=renewal["term_no"],
            ),
        ),
        (
            gettext("At stake"),
            gettext("{amount} a year", amount=formatting.money(renewal["target_arr"], rows.currency)),
        ),
        (gettext("Decide by"), decide_by),
        (gettext("Due date"), formatting.weekday(renewal["due_date"])),
        (gettext("Auto-renews"), gettext("yes") if renewal["is_auto_renew"] else gettext("no")),
        (
            gettext("Notice"),
            gettext("given on {day}", day=formatting.day(renewal["notice_given_on"]))
            if renewal["notice_given_on"]
            else gettext("none given"),
        ),
        (gettext("Probability"), forecast),
        (gettext("Health"), health),
        (
            gettext("Customer value"),
            gettext("{score} of 100", score=value["score"]) if value else gettext("not scored"),
        ),
    )


def _columns(*names: str) -> tuple[str, ...]:
    return tuple(gettext(name) if name else "" for name in names)


def products(rows: brief_queries.Rows) -> Section:
    found = [
        (
            line["product"] or "-",
            formatting.number(line["quantity"]) if line["quantity"] is not None else "-",
            formatting.number(line["arr"]),
            _discount(line["arr"], line["list_arr"]),
            line["currency"],
            line["term_start"],
            line["last_day"] or gettext("until cancelled"),
        )
        for line in rows.all(brief_queries.LINES)
    ]
    columns = _columns("product", "quantity", "ARR", "discount", "currency", "from", "to")
    text = "" if found else gettext("Nothing is under contract today.")
    return Section(gettext("Products"), columns, found, (1, 2, 3), text)


def _discount(arr: Any, list_arr: Any) -> str:
    return formatting.percent(1 - arr / list_arr) if list_arr and arr is not None and list_arr > arr else "-"


def prices(rows: brief_queries.Rows) -> Section:
    found = [
        (row["day"], _movement(row["movement"]), formatting.signed(row["change"]),
         *(_signed(row[name]) for name in _CHANGES),
         formatting.number(row["arr_end"]))
        for row in rows.all(brief_queries.MOVEMENTS)
    ]  # fmt: skip
    columns = _columns("day", "what", "ARR change", "by seats", "by price", "by discount", "ARR after")
    text = gettext("In {currency}, newest first.", currency=rows.currency)
    return Section(gettext("Price history"), columns, found, (2, 3, 4, 5, 6), text)


def _signed(value: Any) -> str:
    return formatting.signed(value) if value else "-"


def usage(rows: brief_queries.Rows, today: Mapping[str, Any]) -> Section:
    features = rows.all(brief_queries.FEATURES)
    if not any(row["n_events"] for row in features):
        return Section(gettext("Usage"), text=gettext("No usage recorded in the last 28 days."))
    sentences = []
    if today.get("active_users_28d") is not None:
        users, seats = today["active_users_28d"], formatting.number(today.get("paid_seats") or 0)
        if today.get("paid_seats"):
            sentence = ngettext(
                "{n} active user of {seats} paid seats in 28 days.",
                "{n} active users of {seats} paid seats in 28 days.",
                users,
                seats=seats,
            )
        else:
            sentence = ngettext("{n} active user in 28 days.", "{n} active users in 28 days.", users)
        sentences.append(sentence)
    if today.get("use_ratio") is not None:
        share = formatting.percent(today["use_ratio"])
        sentences.append(gettext("Usage is at {share} of its usual level.", share=share))
    unused = [row["feature"] for row in features if row["is_key_feature"] and not row["n_events"]]
    if unused:
        sentences.append(gettext("Key features not used: {features}.", features=", ".join(unused)))
    used = [row for row in features if row["n_events"]]
    table_rows = [(row["feature"], row["n_events"], row["n_users"], row["teams"] or "-") for row in used]
    columns = _columns("feature", "events, 28 days", "people", "teams")
    return Section(gettext("Usage"), columns, table_rows, (1, 2), texts.space().join(sentences))


def tickets(rows: brief_queries.Rows) -> Section:
    found = [
        (row["ticket_id"], row["created_day"], word(row["priority"]) or "-", word(row["status"]), row["n_reopens"],
         word(row["rating"]) or "-", words(row["reason"]))
        for row in rows.all(brief_queries.TICKETS)
    ]  # fmt: skip
    count = rows.one(brief_queries.TICKET_COUNT)
    if count is None or not count["n"]:
        is_read = bool(availability.available("support"))
        return Section(
            gettext("Support tickets"),
            text=gettext("No tickets linked to this account in the last year.")
            if is_read
            else gettext("Tickets are not connected."),
        )
    if found:
        text = ngettext(
            "{n} ticket in the last year; those with problems, newest first.",
            "{n} tickets in the last year; those with problems, newest first.",
            count["n"],
        )
    else:
        text = ngettext(
            "{n} ticket in the last year; none with problems.",
            "{n} tickets in the last year; none with problems.",
            count["n"],
        )
    columns = _columns("ticket", "created", "priority", "status", "reopened", "rating", "problem")
    return Section(gettext("Support tickets"), columns, found, (4,), text)


def tasks(rows: brief_queries.Rows) -> Section:
    known = titles()
    found = [
        (
            known.get(row["rule"], row["rule"]),
            formatting.plain(row["step"]),
            row["owner"] or "-",
            row["due_on"] or "-",
            word(row["state"]),
        )
        for row in rows.all(brief_queries.TASKS)
    ]
    columns = _columns("for", "step", "CSM", "due", "state")
    text = "" if found else gettext("No tasks were created.")
    return Section(gettext("Tasks of the last year"), columns, found, (), text)


def invoices(rows: brief_queries.Rows) -> Section:
    row = rows.one(brief_queries.INVOICES)
    if row is None or not row["n"]:
        return Section(gettext("Invoices"), text=gettext("No invoices found for this account."))
    text = ngettext(
        "{n} invoice due in the last two years, {late} paid more than 5 days late.",
        "{n} invoices due in the last two years, {late} paid more than 5 days late.",
        row["n"],
        late=row["n_late"],
    )
    if row["overdue_since"]:
        text += texts.space() + gettext(
            "Overdue: {n}, the oldest since {day}.", n=row["n_overdue"], day=formatting.day(row["overdue_since"])
        )
    return Section(gettext("Invoices"), text=text)


def risks(rows: brief_queries.Rows, today: Mapping[str, Any]) -> Section:
    signals = load_signals()
    live, known = risk.live_risks(signals), titles()
    risks = [row for row in rows.all(brief_queries.RISKS) if row["signal"] in live]
    reasons = evidence(rows.connection, [(row["signal"], rows.account_key) for row in risks], 2)
    found = [
        (
            translated(live[row["signal"]].file.title),
            gettext("high") if row["severity"] == "high" else gettext("normal"),
            row["opened_on"],
            reason or "-",
            ", ".join(known.get(name, name) for name in row["done"]) or gettext("none yet"),
        )
        for row, reason in zip(risks, reasons, strict=True)
    ]
    columns = _columns("risk", "severity", "since", "reason", "action taken")
    # In the words of the reminder, from the same sources: data that is stale or not validated is not known.
    ready = readiness.of_newest(rows.connection, config.load(), clock.now(), account_key=rows.account_key)
    has = {"product": today.get("usage_28d") is not None, "support": today.get("n_open_tickets") is not None}
    found_risk = risk.read(rows.connection, ready, signals, rows.account_key).of(rows.account_key, has)
    return Section(gettext("Risks"), columns, found, (), risk_sentence(found_risk))


def causes(rows: brief_queries.Rows, since: date) -> Section:
    title = gettext("Why health changed since the last renewal")
    first = rows.one(brief_queries.FIRST_SCORE, since=since)
    if first is None or first["first"] is None or first["first"] >= first["last"]:
        return Section(title, text=gettext("Not enough scores to compare."))
    try:
        change = explanation.between(rows.connection, rows.account_key, first["first"], first["last"])
    except ConfigError as error:
        return Section(title, text=f"{error.message}.")
    causes = sorted(change.lines, key=lambda line: -abs(line.change))
    found = [
        (line.cause, line.kind_text, formatting.signed(line.change, 2), line.before, line.after)
        for line in causes[:_CAUSES]
    ]
    rest = sum(line.change for line in causes[_CAUSES:])
    if len(causes) > _CAUSES:
        others = ngettext("{n} other", "{n} others", len(causes) - _CAUSES)
        found.append((others, "", formatting.signed(rest, 2), "", ""))
    text = gettext(
        "{before} on {since}, {after} on {day}.",
        before=change.before,
        since=formatting.day(change.since),
        after=change.after,
        day=formatting.day(change.day),
    )
    return Section(title, _columns("cause", "kind", "points", "then", "now"), found, (2,), text)


def people(rows: brief_queries.Rows) -> Section:
    people = rows.all(brief_queries.PEOPLE)
    found = [
        (
            row["name"] or row["email"] or row["contact_key"],
            row["job_title"] or "-",
            words(row["role"]) or "-",
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
    missing = [gettext(_ROLES[name]) for name, is_filled in filled.items() if not is_filled]
    text = gettext("Every role is filled.")
    if missing:
        text = gettext("Not known: {roles}.", roles=", ".join(missing))
    gone = rows.one(brief_queries.GONE)
    if gone and gone["gone_on"]:
        left = gettext("A key contact left on {day}.", day=formatting.day(gone["gone_on"]))
        text += texts.space() + left
    return Section(gettext("People and roles"), _columns("name", "title", "role", "last contact"), found, (), text)


def competitors(rows: brief_queries.Rows) -> Section:
    mentions = rows.all(brief_queries.MENTIONS)
    record = rows.one(brief_queries.COMPETITOR_RECORD, horizon=HORIZON_DAYS)
    if mentions:
        days = ", ".join(formatting.day(row["day"]) for row in mentions)
        sentences = [gettext("Mentioned on {days}.", days=days)]
    elif config.load().competitors:
        sentences = [gettext("None of the configured competitors was mentioned in the last year.")]
    else:
        sentences = [gettext("Not known: no competitors are configured.")]
    if record and record["n"]:
        sentences.append(
            ngettext(
                "Of {n} settled renewal with a competitor mentioned in the {days} days before the decision,"
                " {lost} was lost.",
                "Of {n} settled renewals with a competitor mentioned in the {days} days before the decision,"
                " {lost} were lost.",
                record["n"],
                days=HORIZON_DAYS,
                lost=record["n_lost"],
            )
        )
    return Section(gettext("Competitors"), text=texts.space().join(sentences))


def comparable(rows: brief_queries.Rows, today: Mapping[str, Any]) -> Section:
    found = rows.one(brief_queries.COMPARABLE, tier=today.get("tier"), band=today.get("last_band"))
    title = gettext("Comparable renewals")
    if not found or not found["n"]:
        return Section(title, text=gettext("No renewal of this tier and band is settled yet."))
    text = ngettext(
        "Of {n} settled renewal of tier {tier} with band {band} 60 to 120 days before deciding, {renewed} renewed.",
        "Of {n} settled renewals of tier {tier} with band {band} 60 to 120 days before deciding, {renewed} renewed.",
        found["n"],
        tier=word(today.get("tier")) or gettext("none"),
        band=word(today["last_band"]),
        renewed=found["n"] - found["n_lost"],
    )
    if found["kept"] is not None:
        text += texts.space() + gettext("They kept {share} of their ARR.", share=formatting.percent(found["kept"]))
    return Section(title, text=text)


_CHANGES = ("seats_change_arr", "price_change_arr", "discount_change_arr")
