"""Print the reference of all shipped rules as Markdown: ``python -m include.contracts.reference``."""

from __future__ import annotations

from itertools import groupby

from include.contracts import catalogue
from include.contracts.limits import Limits
from include.contracts.rule import Rule

_HEAD = """# Rules on data

Generated from the code by `python -m include.contracts.reference`; a test keeps the two equal. The rules in force,
yours included: `python -m include.cli contracts`. How to add, change and disable rules:
[add a rule](../how-to/add-a-rule.md).

*critical*: a row goes to quarantine, a batch is held, a feature's signals go on hold, a source counts as late.
*warning*: the rule is counted and shown, and holds nothing.
"""
_COLUMNS = "| rule | severity | about | broken when | why | what to do |\n|---|---|---|---|---|---|\n"


def text() -> str:
    parts = [_HEAD]
    for entity, rules in groupby(catalogue.shipped(), key=lambda rule: rule.id.rpartition(".")[0]):
        parts.append(f"\n## {entity}\n\n{_COLUMNS}")
        parts += [_line(rule) for rule in rules]
    parts.append(
        "\n## Limits\n\nThe limits that a file may change under `limits:`, and their shipped values:\n\n"
        "| limit | value |\n|---|---|\n"
    )
    parts += [f"| `{name}` | {'by entity' if value is None else value} |\n" for name, value in Limits()]
    return "".join(parts)


def _line(rule: Rule) -> str:
    name = rule.id.rpartition(".")[2]
    words = " | ".join(part.replace("|", "\\|") for part in (rule.says, rule.why, rule.cure))
    return f"| `{name}` | {rule.severity} | {rule.scope} | {words} |\n"


if __name__ == "__main__":
    print(text(), end="")
