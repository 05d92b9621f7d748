"""Texts of tasks: hostile names, unknown values, limits."""

from __future__ import annotations

import dataclasses
from typing import Any

from include.playbooks import templates
from tests import renewal_rows


def renewal(**changes: Any) -> dict[str, Any]:
    return dataclasses.asdict(renewal_rows.renewal(**changes))


def test_a_body_escapes_values_but_not_the_author() -> None:
    hostile = renewal(account_name="<script>alert(1)</script> & Sons")
    text = templates.body("<b>{{ account_name }}</b>\nnext", hostile)
    assert text == "<b>&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons</b><br>\nnext"


def test_a_value_hides_behind_no_direction_marks_and_no_second_line() -> None:
    hostile = renewal(account_name="\u202eevil\u2066 & \r\nSons")
    assert templates.subject("Call {{ account_name }}", hostile) == "Call evil & Sons"
    assert templates.body("<b>{{ account_name }}</b>\nnext", hostile) == "<b>evil &amp; Sons</b><br>\nnext"


def test_a_value_is_never_a_template() -> None:
    assert templates.subject("{{ account_name }}", renewal(account_name="{{ 7*7 }}")) == "{{ 7*7 }}"


def test_a_subject_is_one_line_of_limited_length() -> None:
    hostile = renewal(account_name="a\r\nBcc: x" + "y" * 400)
    subject = templates.subject("Call {{ account_name }}", hostile)
    assert "\n" not in subject and "\r" not in subject
    assert len(subject) == 250 and subject.endswith("…")


def test_unknown_values_read_as_unknown() -> None:
    bare = renewal(usage_ratio=None, target_arr=None, last_contact_at=None)
    text = templates.body("{{ usage_ratio|percent }} {{ target_arr|number }} {{ last_contact_at|day }}", bare)
    assert text == "unknown unknown unknown"
