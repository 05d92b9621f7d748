"""Turn database errors of a model's query into errors that name the file and show no row's values."""

from __future__ import annotations

import re

import sqlalchemy as sa

from include.common.errors import ConfigError, ContractError
from include.config import files
from include.models.registry import Model
from include.warehouse.engine import bad_data

_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION, _CANCELED = "23505", "23502", "57014"


def readable(model: Model, error: sa.exc.DBAPIError, check: str = "") -> Exception:
    """Return a database error of a model's query, or of one of its checks, as an error that names the file.

    Other errors (a lost connection, a full disk, a lock) are returned unchanged.
    """
    state = getattr(error.orig, "sqlstate", None) or ""
    diag = getattr(error.orig, "diag", None)
    message = str(getattr(diag, "message_primary", None) or error.orig)
    place = f"sql/{model.folder}/checks.sql, {check}" if check else files.shown(model.path)
    if state in (_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION):
        what = "returns two rows with the same key" if state == _UNIQUE_VIOLATION else "returns a row with a null key"
        return ContractError(
            f"{place}: {what} ({', '.join(model.metadata.unique_key)}){_which(model, state, diag)}",
            cure="correct the query, or unique_key in its metadata.yaml",
        )
    if state == _CANCELED:
        return ConfigError(
            f"{place}: {model.name} took longer than build_timeout_minutes allows, or an administrator cancelled it",
            cure="make the query faster, or raise build_timeout_minutes in settings.yaml",
        )
    if state[:2] not in ("42", "22"):
        return error
    line = 0 if check else _line(error.statement or "", int(getattr(diag, "statement_position", None) or 0))
    hint = str(getattr(diag, "message_hint", None) or "correct the query")
    if state.startswith("22"):
        message = bad_data(state)
        hint = "make the query cast and compute only valid values (not shown: they may be personal data)"
    return ConfigError(f"{place}{f':{line}' if line else ''}: {model.name} cannot be built: {message}", cure=hint)


def _which(model: Model, state: str, diag: object) -> str:
    """Describe the row by its key, unless the key contains personal data. Never show other columns."""
    if state == _NOT_NULL_VIOLATION:
        column = getattr(diag, "column_name", None)
        return f": {column} is null" if column else ""
    if any(model.metadata.columns[key].sensitivity == "personal" for key in model.metadata.unique_key):
        return ""
    return f": {' '.join(str(getattr(diag, 'message_detail', None) or '').split())[:200]}".rstrip(": ")


def _line(statement: str, position: int) -> int:
    """Return the line of the model's query at a position in the statement that the server received.

    The driver sends ``$1`` for each ``%(name)s``, and the query starts on the statement's third line.
    """
    numbers: dict[str, str] = {}
    sent = re.sub(r"%\((\w+)\)s", lambda found: numbers.setdefault(found[1], f"${len(numbers) + 1}"), statement)
    return max(0, sent[: position - 1].count("\n") - 1) if position else 0
