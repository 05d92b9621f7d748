"""Turn the SQL comments of table definitions into database comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A definition starts a line. Each column is on its own line, indented by four spaces.
_TABLE = re.compile(
    r"((?:^--[^\n]*\n)+)create (?:unlogged )?(table|view) (\S+) (?:as|\()$(.*?);$", re.MULTILINE | re.DOTALL
)
_COLUMN = re.compile(r"^ {4}(?!primary |unique |check )(\w+) [^\n]*?(?:-- (.*))?$", re.MULTILINE)

# Columns with the same meaning in every table.
SHARED = {
    "account_key": "Key of the CRM account",
    "answered_by": "Who answered",
    "batch_id": "Batch of meta.batch",
    "build_id": "Build of meta.build",
    "channel": "Channel that the message is sent on",
    "checked_at": "When it was last checked",
    "closed_at": "When it was closed",
    "created_at": "When it was created",
    "cure": "What to do about it",
    "entity": "Entity, such as account or ticket",
    "entity_id": "Id of that account, renewal or ticket",
    "entity_kind": "What it is about: account, renewal or ticket",
    "episode_no": "Number of the episode of the same rule and entity",
    "finished_at": "When it finished",
    "grain": "How accounts are grouped, as in meta.grain",
    "known_from": "Since when this is known, by the database's clock",
    "known_to": "Until when this was known; null while it holds",
    "metric_id": "Name of the metric",
    "model": "Name of the model",
    "opened_at": "When it was opened",
    "period": "Length of the period: day, week, month or quarter",
    "reason": "Why",
    "recipient": "E-mail address of the person",
    "rule_id": "Rule of the contract",
    "run_id": "Run of the DAG",
    "severity": "How severe it is",
    "since": "Since when this holds",
    "source": "Name of the source in settings.yaml",
    "started_at": "When it started",
    "state": "State",
    "subject_id": "Id of the account, renewal or ticket",
    "subject_kind": "What was evaluated: account, renewal or ticket",
    "updated_at": "When it was last changed",
}


def statements(definitions: str) -> Iterator[str]:
    """Yield the comment statements for the tables, views and columns of a definition file."""
    for header, kind, name, columns in _TABLE.findall(definitions):
        text = " ".join(line.removeprefix("--").strip() for line in header.splitlines())
        yield f"comment on {kind} {name} is {_quoted(text)}"
        if kind == "table":
            for column, comment in _COLUMN.findall(columns):
                yield f"comment on column {name}.{column} is {_quoted(comment or SHARED[column])}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
