"""Judge triage on 300 tickets, labelled before its patterns were written: python -m tests.analyses.judged_triage"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include import config
from include.analyses.triage import model, texts
from include.config import triage as settings

TICKETS = Path(__file__).parents[1] / "fixtures" / "triage" / "tickets.jsonl"


def tickets() -> list[dict[str, str]]:
    return [json.loads(line) for line in TICKETS.read_text(encoding="utf-8").splitlines()]


def kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Return Cohen's kappa. https://doi.org/10.1177/001316446002000104"""
    n = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    a, b = Counter(first), Counter(second)
    by_chance = sum(a[label] * b[label] for label in a) / n**2
    return (agreed - by_chance) / (1 - by_chance)


def figures(real: Sequence[str], given: Sequence[str]) -> dict[str, float]:
    bugs = [label for label, guess in zip(real, given, strict=True) if guess == "bug"]
    answered = [(label, guess) for label, guess in zip(real, given, strict=True) if guess != settings.UNKNOWN]
    return {
        "macro_f1": model.macro_f1(real, given),
        "bug_precision": bugs.count("bug") / len(bugs) if bugs else 0.0,
        "unknown": 1 - len(answered) / len(given),
        "right_of_answered": sum(a == b for a, b in answered) / len(answered) if answered else 0.0,
    }


def judged() -> dict[str, Any]:
    """Return the figures: of everything, by language, and of patterns and model alone."""
    rules = config.load().triage
    seeds = settings.seeds().labelled
    fitted = model.fit([text for text, _ in seeds], [label for _, label in seeds], rules)
    found = tickets()
    words = [texts.clean(one["subject"], one["body"], rules.ignored_lines) for one in found]
    given = [guess.label for guess in fitted.guess(words, rules)]
    real = [one["first"] for one in found]
    by_rules = [rules.first(rules.hits(text)) or settings.UNKNOWN for text in words]
    result: dict[str, Any] = {
        "all": figures(real, given),
        "second labelling": figures([one["second"] for one in found], given),
    }
    for language in ("en", "zh"):
        places = [place for place, one in enumerate(found) if one["language"] == language]
        result[language] = figures([real[place] for place in places], [given[place] for place in places])
    result["patterns alone"] = figures(real, by_rules)
    result["kappa of the labellings"] = kappa(real, [one["second"] for one in found])
    result["language recognized"] = sum(
        texts.language(text) == one["language"] for text, one in zip(words, found, strict=True)
    ) / len(found)
    return result


if __name__ == "__main__":
    for name, value in judged().items():
        print(name, value if isinstance(value, float) else {key: round(one, 3) for key, one in value.items()})
