"""Reads the signals in force: files of ``config/signals/``, checked down to every name that they use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from include.config import documents, expression, files
from include.config.expression import Condition
from include.decide.rules import forbidden_phrases, text_templates
from include.decide.rules.subjects import Table, table
from include.decide.signals.schema import Signal

FOLDER = "signals"
# What a text may use beside the columns and the thresholds.
RESERVED = frozenset({"title", "today"})


@dataclass(frozen=True)
class Loaded:
    """A signal that was read and checked.

    Args:
        signal: What the file says.
        table: What it is about.
        open: Its condition to open, checked.
        worse: Its condition of high severity, checked; None for never.
        close: Its condition to close, checked.
        kinds: The kinds of source it rests on beside the CRM: while one of them is not fit, it rests.
        path: The file.
    """

    signal: Signal
    table: Table
    open: Condition
    worse: Condition | None
    close: Condition
    kinds: frozenset[str]
    path: Path


def load() -> dict[str, Loaded]:
    """Return the signals in force by name; those with ``disabled: true`` are left out.

    Raises:
        ConfigError: One is wrong; names file, line and key.
    """
    found: dict[str, Loaded] = {}
    for name, path in files.listing("config", f"{FOLDER}/*.yaml").items():
        document = documents.read(path)
        if not document.is_disabled:
            found[Path(name).stem] = _check(document)
    return found


def _check(document: documents.Document) -> Loaded:
    signal = documents.validate(document, Signal)
    if signal.name != document.path.stem:
        raise document.error(("name",), f"is {signal.name!r}, but the file is called {document.path.name}")
    subject = table(signal.about)
    for threshold in signal.thresholds:
        if threshold in (*subject.columns, *RESERVED):
            raise document.error(("thresholds", threshold), "is also the name of a column; call it otherwise")
        try:
            expression.on_built(f"{threshold} > 0", (threshold,))
        except ValueError:
            raise document.error(("thresholds", threshold), "is a word of SQL; call it otherwise") from None
    known = (*subject.columns, *signal.thresholds)
    compiled = {
        key: document.check((key,), expression.on_built, getattr(signal, key), known, key)
        for key in ("open", "worse", "close")
        if getattr(signal, key)
    }
    used = set().union(*(condition.columns for condition in compiled.values()))
    for place, template in _templates(signal):
        examples = [{**example, **signal.thresholds} for example in subject.examples()]
        document.check(place, text_templates.check, template, known, examples)
        document.check(place, forbidden_phrases.check, template)
        used |= text_templates.names(template)
    kinds = frozenset().union(*(subject.kinds.get(column, frozenset()) for column in used))
    return Loaded(signal, subject, compiled["open"], compiled.get("worse"), compiled["close"], kinds, document.path)


def _templates(signal: Signal) -> list[tuple[documents.Place, str]]:
    return [
        (("headline",), signal.headline),
        *((("evidence", number), line) for number, line in enumerate(signal.evidence)),
        *((("next_steps", number), line) for number, line in enumerate(signal.next_steps)),
    ]
