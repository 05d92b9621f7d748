"""Titles of signals and playbooks, and evidence lines of open signals, for pages and digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from include.config import templates
from include.config.own_texts import translated
from include.decide.playbooks.load import load as load_playbooks
from include.decide.rules.subjects import table
from include.decide.signals.load import load as load_signals
from include.decide.touches.load import load as load_touches
from include.warehouse.engine import has_table


def titles() -> dict[str, str]:
    """Return the titles of all signals, playbooks and touches, in the reader's language."""
    found = {name: rule.file.title for name, rule in load_signals().items()}
    found |= {name: rule.file.title for name, rule in load_playbooks().items()}
    found |= {name: rule.file.title for name, rule in load_touches().items()}
    return {name: translated(title) for name, title in found.items()}


def live_signals() -> list[str]:
    """Return the names of the signals that notify people."""
    return [name for name, rule in load_signals().items() if rule.file.status == "live"]


def evidence(connection: sa.Connection, found: Sequence[tuple[str, str]], n_lines: int = 1) -> list[str]:
    """Return today's evidence of open signals; "" for signals that are not about accounts.

    Args:
        connection: An open connection of the reader.
        found: Pairs of signal and account key.
        n_lines: The number of evidence lines for each.
    """
    rules, actions = load_signals(), table("account").name
    values: dict[str, Mapping[str, Any]] = {}
    if has_table(connection, actions):
        keys = {"keys": [account_key for _, account_key in found]}
        rows = connection.execute(sa.text(f"select * from {actions} where account_key = any(:keys)"), keys)  # noqa: S608
        values = {row["account_key"]: dict(row) for row in rows.mappings()}
    texts = []
    for name, account_key in found:
        rule, row = rules.get(name), values.get(account_key)
        if rule is None or row is None or rule.about != "account":
            texts.append("")
            continue
        named = {**row, **rule.thresholds_of(row["tier"])}
        texts.append(" ".join(templates.line(translated(one), named) for one in rule.file.evidence[:n_lines]))
    return texts
