"""Render text templates from files: sandboxed Jinja over the columns of one row and a rule's thresholds.

A name in the CRM may contain anything. Values are shown as one line without direction marks, and are escaped in a body.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from include.common import formatting
from include.common.text import one_line

MAX_SUBJECT = 250
MAX_BODY = 30_000


def _environment(escapes: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=escapes, undefined=StrictUndefined, trim_blocks=True, finalize=_shown
    )
    environment.filters.update(day=formatting.day, number=formatting.number, percent=formatting.percent)
    environment.globals.clear()
    return environment


def _shown(value: Any) -> Any:
    return one_line(value) if type(value) is str else value


# A template may contain values and conditions in these forms. Nothing loops, calls or multiplies, so rendering time and
# output size stay in proportion to the template.
_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.Filter, nodes.Keyword, nodes.Concat, nodes.Add,
    nodes.Sub, nodes.Div, nodes.Neg, nodes.Pos, nodes.Tuple,
)  # fmt: skip
_FILTERS = frozenset(
    {"day", "number", "percent", "default", "d", "lower", "upper", "title", "capitalize", "trim", "round", "length"}
    | {"count", "abs", "int", "float", "first", "last", "escape", "e"}
)
_TESTS = frozenset(
    {"none", "defined", "undefined", "true", "false", "boolean", "number", "string", "integer", "float", "in"}
    | {"eq", "ne", "lt", "le", "gt", "ge", "equalto", "even", "odd"}
)
MAX_TEMPLATE = 20_000
MAX_NODES = 2_000


def _parsed(environment: ImmutableSandboxedEnvironment, template: str) -> nodes.Template:
    """Parse a template and check that it uses only allowed parts.

    Raises:
        ValueError: The template is too long, nested too deeply, or uses something that is not allowed. The message says
            what and in which line.
        TemplateError: The text is not a template.
    """
    if len(template) > MAX_TEMPLATE:
        raise ValueError(f"is longer than {MAX_TEMPLATE:,} characters")
    try:
        tree = environment.parse(template)
        waiting: list[nodes.Node] = [tree]
        for _ in range(MAX_NODES + 1):
            if not waiting:
                return tree
            node = waiting.pop()
            _check_node(node)
            waiting.extend(node.iter_child_nodes())
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    raise ValueError(f"has more than {MAX_NODES:,} parts")


def _check_node(node: nodes.Node) -> None:
    what = ""
    if not isinstance(node, _NODES):
        what = type(node).__name__.lower()
    elif isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        what = f"the filter {node.name}"
    elif isinstance(node, nodes.Test) and node.name not in _TESTS:
        what = f"the test {node.name}"
    elif isinstance(node, nodes.Name) and node.ctx != "load":
        what = "an assignment"
    if what:
        raise ValueError(
            f"is not allowed: line {node.lineno} uses {what}; a template may use values, if, comparisons, + - / ~ and"
            f" the filters {', '.join(sorted(_FILTERS))}"
        )


_PLAIN = _environment(escapes=False)
_BODY = _environment(escapes=True)


def line(template: str, values: Mapping[str, Any]) -> str:
    """Render a template as one line. The result may be empty."""
    return " ".join(_compiled(_PLAIN, template).render(values).split())


def subject(template: str, values: Mapping[str, Any]) -> str:
    """Render a task's subject: one line of at most 250 characters."""
    text = line(template, values)
    return text if len(text) <= MAX_SUBJECT else text[: MAX_SUBJECT - 1] + "…"


def body(template: str, values: Mapping[str, Any]) -> str:
    """Render a task's body as HTML."""
    return _compiled(_BODY, template).render(values).strip()[:MAX_BODY].replace("\n", "<br>\n")


def check(template: str, known: Collection[str], examples: Collection[Mapping[str, Any]]) -> frozenset[str]:
    """Check a template, also by rendering it, and return the names it uses.

    Args:
        examples: Rows to render it with.

    Raises:
        ValueError: The template is not valid, uses an unknown name, or cannot be rendered. The message says what.
    """
    try:
        used = meta.find_undeclared_variables(_parsed(_PLAIN, template))
        unknown = sorted(used - set(known))
        if unknown:
            raise ValueError(f"names `{unknown[0]}`, which is neither a column nor a threshold")
        for example in examples:
            line(template, example)
    except SecurityError as error:
        raise ValueError(f"is not allowed: {error}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except TemplateError as error:
        number = getattr(error, "lineno", None)
        raise ValueError(f"is not a valid template: {error}" + (f" (line {number})" if number else "")) from None
    except (TypeError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"cannot be rendered when a value is unknown or zero: {error}") from None
    return frozenset(used)


def examples(types: Mapping[str, str], never_null: Collection[str] = ()) -> tuple[dict[str, Any], ...]:
    """Return example rows to check a template with: everything known, as little as possible known, every number zero.

    Args:
        types: Column -> its type.
        never_null: Columns that are always known.
    """
    full = {column: _EXAMPLES[kind] for column, kind in types.items()}
    bare = {column: full[column] if column in never_null else None for column in types}
    zero = {
        column: type(value)(0) if isinstance(value, int | float | Decimal) else value for column, value in full.items()
    }
    return full, bare, zero


_EXAMPLES: dict[str, Any] = {
    "text": "Example",
    "integer": 12,
    "bigint": 12,
    "numeric": Decimal(1200),
    "numeric(18,2)": Decimal(1200),
    "double precision": 0.5,
    "date": date(2026, 1, 1),
    "timestamptz": datetime(2026, 1, 1, tzinfo=UTC),
    "boolean": True,
}


@lru_cache(maxsize=512)
def _compiled(environment: ImmutableSandboxedEnvironment, template: str) -> Template:
    _parsed(environment, template)
    return environment.from_string(template)
