"""The texts of signals: Jinja in a sandbox, over the columns of one subject and the signal's thresholds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, meta
from jinja2.sandbox import SecurityError

from include.decide.rules.templates import environment, parsed

# Slack and mail escape what they render, so that a line is plain text here.
_PLAIN = environment(escapes=False)


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return a template's text as one line; "" if nothing is left of it."""
    return " ".join(_compiled(template).render(**values).split())


def names(template: str) -> frozenset[str]:
    """Return the names that a template asks for.

    Raises:
        ValueError: It is no valid template, or holds what no text may.
    """
    try:
        return frozenset(meta.find_undeclared_variables(parsed(_PLAIN, template)))
    except TemplateError as error:
        raise ValueError(f"is no valid template: {error}") from None


def check(template: str, known: Collection[str], examples: Collection[Mapping[str, Any]]) -> None:
    """Check a template, also by filling it.

    Args:
        template: The template.
        known: The names it may use.
        examples: Values to fill it with.

    Raises:
        ValueError: It is not valid, uses a name that is not known, or cannot be filled; says what.
    """
    unknown = sorted(names(template) - set(known))
    if unknown:
        raise ValueError(f"names `{unknown[0]}`, which is neither a column nor a threshold")
    try:
        for example in examples:
            fill(template, example)
    except SecurityError as error:
        raise ValueError(f"is not allowed: {error}") from None
    except TemplateError as error:
        raise ValueError(f"is no valid template: {error}") from None
    except (TypeError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"cannot be filled when a value is unknown: {error}") from None


@lru_cache(maxsize=512)
def _compiled(template: str) -> Template:
    parsed(_PLAIN, template)
    return _PLAIN.from_string(template)
