"""Task templates: hostile names, unknown values, limits."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from include.config import templates
from tests.fixtures import renewal_rows


def renewal(**changes: Any) -> dict[str, Any]:
    return dataclasses.asdict(renewal_rows.renewal(**changes))


def test_body_escapes_values_but_not_author_markup() -> None:
    hostile = renewal(account_name="<script>alert(1)</script> & Sons")
    text = templates.body("<b>{{ account_name }}</b>\nnext", hostile)
    assert text == "<b>&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons</b><br>\nnext"


def test_direction_marks_and_line_breaks_are_removed_from_values() -> None:
    hostile = renewal(account_name="\u202eevil\u2066 & \r\nSons")
    assert templates.subject("Call {{ account_name }}", hostile) == "Call evil & Sons"
    assert templates.body("<b>{{ account_name }}</b>\nnext", hostile) == "<b>evil &amp; Sons</b><br>\nnext"


def test_value_is_never_a_template() -> None:
    assert templates.subject("{{ account_name }}", renewal(account_name="{{ 7*7 }}")) == "{{ 7*7 }}"


def test_subject_is_one_line_of_limited_length() -> None:
    hostile = renewal(account_name="a\r\nBcc: x" + "y" * 400)
    subject = templates.subject("Call {{ account_name }}", hostile)
    assert "\n" not in subject and "\r" not in subject
    assert len(subject) == 250 and subject.endswith("…")


def test_unknown_values_render_as_unknown() -> None:
    bare = renewal(usage_ratio=None, target_arr=None, last_contact_at=None)
    text = templates.body("{{ usage_ratio|percent }} {{ target_arr|number }} {{ last_contact_at|day }}", bare)
    assert text == "unknown unknown unknown"


UNBOUNDED = [
    "{% for a in 'x' %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% set a = 1 %}",
    "{{ [0] }}",
    "{{ 'x' * 20000 }}",
    "{{ n ** n }}",
    "{{ '%300000000d' % 1 }}",
    "{{ 'x' | center(200000000) }}",
    "{{ '%300000000d' | format(1) }}",
    "{{ account_name | safe }}",
    "{{ account_name | urlize }}",
    "{{ account_name | replace('', account_name) }}",
    "{{ account_name.upper() }}",
    "{{ account_name[0] }}",
    "{{ account_name.real }}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% filter upper %}x{% endfilter %}",
    "{% call f() %}{% endcall %}",
    "{{ range(3) }}",
    "{{ {'a': 1} }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + " ~ ".join(["1"] * 5000) + " }}",
    "x" * 30_000,
]


@pytest.mark.parametrize("text", UNBOUNDED, ids=range(len(UNBOUNDED)))
def test_loops_calls_and_growing_expressions_are_rejected(text: str) -> None:
    columns = {"account_name": "Ada & Sons", "n": 3}
    with pytest.raises(ValueError, match=r"not allowed|nested too deeply|longer than|more than"):
        templates.check(text, columns, [columns])
    for fill in (templates.subject, templates.body, templates.line):  # nor in a template that was not validated before
        with pytest.raises(ValueError, match=r"not allowed|nested too deeply|longer than|more than"):
            fill(text, columns)


def test_needed_template_features_are_allowed() -> None:
    text = (
        "{% if n is not none and n / 2 < 3 %}{{ (n or 0) | round(1) }}{% elif n in (1, 2) %}a{% else %}b{% endif %}"
        "{{ 's' if n > 1 else '' }} {{ account_name | default('x') | title ~ '.' }}{{ n + 1 - 2 }}"
    )
    templates.check(text, {"account_name", "n"}, [{"account_name": "ada", "n": 3}])
    assert templates.subject(text, {"account_name": "ada", "n": 3}) == "3s Ada.2"
