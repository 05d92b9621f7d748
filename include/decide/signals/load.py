"""Load the signals in force from ``config/signals/``."""

from __future__ import annotations

from include.config import expression
from include.config.documents import Document
from include.decide.rules.load import Clause, Rule, check_texts, condition, parse, rules_in
from include.decide.rules.reasons import Reason
from include.decide.rules.subjects import table
from include.decide.signals.schema import Signal

# Names that texts may use in addition to the columns and the thresholds.
RESERVED = frozenset({"title", "today"})


def load() -> dict[str, Rule[Signal]]:
    """Return the signals in force by name, without those that have ``disabled: true``.

    Raises:
        ConfigError: A signal is wrong. The error names file, line and key.
    """
    return rules_in("config", "signals/*.yaml", _check)


def _check(document: Document) -> Rule[Signal]:
    signal = parse(document, Signal)
    subject = table(signal.about)
    for threshold in signal.thresholds:
        if threshold in (*subject.columns, *RESERVED):
            raise document.error(("thresholds", threshold), "is also the name of a column; choose another name")
        try:
            expression.on_built(f"{threshold} > 0", (threshold,))
        except ValueError:
            raise document.error(("thresholds", threshold), "is an SQL keyword; choose another name") from None
    known = (*subject.columns, *signal.thresholds)
    opens, worse, closes = (
        condition(document, (key,), getattr(signal, key), known, key) for key in ("open", "worse", "close")
    )
    texts = [
        (("subject",), signal.subject),
        *((("evidence", number), line) for number, line in enumerate(signal.evidence)),
        *((("next_steps", number), line) for number, line in enumerate(signal.next_steps)),
    ]
    used = check_texts(document, texts, known, [{**row, **signal.thresholds} for row in subject.examples()])
    rule = Rule(
        signal,
        signal.about,
        subject,
        [Clause(Reason.CONDITION_NOT_MET, signal.open, opens)] if opens else [],
        worse,
        closes,
        thresholds=signal.thresholds,
        tiers=signal.tiers,
        path=document.path,
    )
    return rule.with_sources_of(used | rule.columns)
