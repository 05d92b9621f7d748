"""List the current data problems, worst first: since when, what each blocks, and the cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from include import config
from include.common import formatting
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
        what = f"{row['source']} is {row['state']}: {row['reason'] or 'it has not been read yet'}"
        cure = row["cure"] or f"see the log of the last failed task of ingest_{row['kind']}"
        yield Problem(state, what, row["since"], _held_by(row["kind"]), cure, f"ingest_{row['kind']}")


def _held_by(kind: str) -> str:
    if kind == "crm":
        return "on hold: all alerts, tasks and CRM fields of its accounts"
    names = [rule.file.title for rule in load_signals().values() if kind in rule.kinds and rule.file.status == "live"]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    if not names:
        return "nothing is on hold"
    return f"{formatting.count(len(names), 'signal')} on hold: {', '.join(names[:3])}{more}"


def _builds(rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    if rows and rows[0]["state"] == "failed":
        last = next((row for row in rows if row["state"] == "done"), None)
        effect = f"figures stay as of {last['window_last']}" if last else "there are no figures yet"
        cure = (
            "the failed task's log names the table and the cause; clear the task, or run `python -m include.cli build`"
        )
        yield Problem("red", "the last build failed", rows[0]["started_at"], effect, cure, "build_kpis")


def _quarantine(rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    for row in rows:
        reason = row["says"] or row["rule_id"]
        yield Problem(
            "yellow",
            f"{formatting.count(row['n_rows'], 'row')} of {row['source']} {row['entity']}: {reason}",
            row["since"],
            "on hold: alerts about the accounts of these rows",
            f"correct them at the source; `python -m include.cli quarantine show {row['rule_id']}` lists them",
            "review_quarantine",
        )


def _outbox(seen: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime) -> Iterator[Problem]:
    planned = {row["channel"]: row["n"] for row in seen["outbox"] if row["state"] == "planned"}
    for row in seen["channels"]:
        # A channel without planned messages is not set up and blocks nothing.
        if row["is_on_hold"] and row["channel"] in planned:
            effect = f"{formatting.count(planned[row['channel']], 'message')} on hold"
            cure = f'`python -m include.cli channel release {row["channel"]} --reason "..."`, once the cause is fixed'
            yield Problem("red", f"{row['channel']} is on hold: {row['reason']}", row["changed_at"], effect, cure)
    if uncertain := seen["uncertain"]:
        count = formatting.count(len(uncertain), "message")
        yield Problem(
            "yellow",
            f"{count} may or may not have arrived",
            min((row["sending_at"] for row in uncertain if row["sending_at"]), default=None),
            "they are looked up, not sent again",
            "ask the recipients of the messages listed below",
            "deliver",
        )
    for row in seen["approvals"]:
        left = int((row["expires_at"] - now).total_seconds() // 3600)
        yield Problem(
            "yellow",
            f"{formatting.count(row['n_actions'], 'action')} await approval: {row['reason']}",
            row["asked_at"],
            f"they expire in {formatting.count(left, 'hour')}" if left > 0 else "they expire now",
            f"answer under Required Actions, or `python -m include.cli approvals show {row['approval_id']}`",
            "approve_actions",
        )


def _contracts(rows: Sequence[Mapping[str, Any]], viewer: Viewer) -> Iterator[Problem]:
    currency = config.load().currency
    for row in rows:
        if float(str(row["share_of_arr"]).rstrip("%")) / 100 >= _SHOWN_SHARE:
            what = f"{formatting.count(row['n'], 'contract')}: {row['kind'].replace('_', ' ')}"
            amount = f"{currency} {float(row['arr']):,.0f} of ARR ({row['share_of_arr']})"
            effect = f"{amount if viewer.sees_amounts else row['share_of_arr'] + ' of ARR'} may be wrong"
            cure = f"{row['cure']}; `python -m include.cli renewals review --kind {row['kind']}`"
            yield Problem("yellow", what, None, effect, cure)
