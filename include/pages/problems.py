"""List the current data problems, worst first: since when, what each blocks, and the cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from include import config
from include.common import formatting
from include.common.texts import gettext, ngettext
from include.common.words import word
from include.config.own_texts import translated
from include.config.viewers import Viewer
from include.decide.signals.load import load as load_signals

_SHOWN_SHARE = 0.005
"""From this share of ARR on an open question about contracts is a problem."""


@dataclass(frozen=True)
class Problem:
    """One current problem.

    Args:
        state: red if it blocks alerts or figures are missing, else yellow.
        effect: What it blocks.
        cure: What to do, with commands in backquotes.
        dag: A DAG that helps; "" if there is none.
    """

    state: Literal["red", "yellow"]
    what: str
    since: datetime | None
    effect: str
    cure: str
    dag: str = ""


def found(seen: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime, viewer: Viewer) -> tuple[Problem, ...]:
    """Return the current problems, red ones first, then oldest first.

    Args:
        seen: Rows of sources, builds, quarantine, approvals, channels, outbox, uncertain and contracts.
        now: The time.
        viewer: Amounts are left out for a viewer who may not see them.
    """
    problems = [
        *_sources(seen["sources"]),
        *_builds(seen["builds"]),
        *_quarantine(seen["quarantine"]),
        *_outbox(seen, now),
        *_contracts(seen["contracts"], viewer),
    ]
    return tuple(sorted(problems, key=lambda each: (each.state != "red", each.since or now)))


def _sources(rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    for row in rows:
        if row["state"] == "green":
            continue
        state: Literal["red", "yellow"] = "red" if row["state"] == "red" else "yellow"
        what = gettext(
            "{source} is {state}: {reason}",
            source=row["source"],
            state=word(row["state"]),
            reason=row["reason"] or gettext("it has not been read yet"),
        )
        cure = row["cure"] or gettext("see the log of the last failed task of {dag}", dag=f"ingest_{row['kind']}")
        yield Problem(state, what, row["since"], _held_by(row["kind"]), cure, f"ingest_{row['kind']}")


def _held_by(kind: str) -> str:
    if kind == "crm":
        return gettext("on hold: all alerts, tasks and CRM fields of its accounts")
    names = [
        translated(rule.file.title)
        for rule in load_signals().values()
        if kind in rule.kinds and rule.file.status == "live"
    ]
    if not names:
        return gettext("nothing is on hold")
    listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return ngettext("{n} signal on hold: {signals}", "{n} signals on hold: {signals}", len(names), signals=listed)


def _builds(rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    if rows and rows[0]["state"] == "failed":
        last = next((row for row in rows if row["state"] == "done"), None)
        effect = gettext("there are no figures yet")
        if last:
            effect = gettext("figures stay as of {day}", day=formatting.day(last["window_last"]))
        cure = gettext(
            "the failed task's log names the table and the cause; clear the task, or run `python -m include.cli build`"
        )
        yield Problem("red", gettext("the last build failed"), rows[0]["started_at"], effect, cure, "build_kpis")


def _quarantine(rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    for row in rows:
        reason = row["says"] or row["rule_id"]
        yield Problem(
            "yellow",
            ngettext(
                "{n} row of {source} {entity}: {reason}",
                "{n} rows of {source} {entity}: {reason}",
                row["n_rows"],
                source=row["source"],
                entity=row["entity"],
                reason=reason,
            ),
            row["since"],
            gettext("on hold: alerts about the accounts of these rows"),
            gettext(
                "correct them at the source; `{command}` lists them",
                command=f"python -m include.cli quarantine show {row['rule_id']}",
            ),
            "review_quarantine",
        )


def _outbox(seen: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime) -> Iterator[Problem]:
    planned = {row["channel"]: row["n"] for row in seen["outbox"] if row["state"] == "planned"}
    for row in seen["channels"]:
        # A channel without planned messages is not set up and blocks nothing.
        if row["is_on_hold"] and row["channel"] in planned:
            effect = ngettext("{n} message on hold", "{n} messages on hold", planned[row["channel"]])
            command = f'python -m include.cli channel release {row["channel"]} --reason "..."'
            cure = gettext("`{command}`, once the cause is fixed", command=command)
            what = gettext("{channel} is on hold: {reason}", channel=row["channel"], reason=row["reason"])
            yield Problem("red", what, row["changed_at"], effect, cure)
    if uncertain := seen["uncertain"]:
        yield Problem(
            "yellow",
            ngettext(
                "{n} message may or may not have arrived", "{n} messages may or may not have arrived", len(uncertain)
            ),
            min((row["sending_at"] for row in uncertain if row["sending_at"]), default=None),
            gettext("they are looked up, not sent again"),
            gettext("ask the recipients of the messages listed below"),
            "deliver",
        )
    for row in seen["approvals"]:
        left = int((row["expires_at"] - now).total_seconds() // 3600)
        yield Problem(
            "yellow",
            ngettext(
                "{n} action awaits approval: {reason}",
                "{n} actions await approval: {reason}",
                row["n_actions"],
                reason=row["reason"],
            ),
            row["asked_at"],
            ngettext("they expire in {n} hour", "they expire in {n} hours", left)
            if left > 0
            else gettext("they expire now"),
            gettext(
                "answer under Required Actions, or `{command}`",
                command=f"python -m include.cli approvals show {row['approval_id']}",
            ),
            "approve_actions",
        )


def _contracts(rows: Sequence[Mapping[str, Any]], viewer: Viewer) -> Iterator[Problem]:
    currency = config.load().currency
    for row in rows:
        if float(str(row["share_of_arr"]).rstrip("%")) / 100 >= _SHOWN_SHARE:
            kind = row["kind"].replace("_", " ")
            what = ngettext("{n} contract: {kind}", "{n} contracts: {kind}", row["n"], kind=kind)
            effect = gettext("{share} of ARR may be wrong", share=row["share_of_arr"])
            if viewer.sees_amounts:
                amount = formatting.money(Decimal(row["arr"]), currency)
                effect = gettext("{amount} of ARR ({share}) may be wrong", amount=amount, share=row["share_of_arr"])
            cure = f"{row['cure']}; `python -m include.cli renewals review --kind {row['kind']}`"
            yield Problem("yellow", what, None, effect, cure)
