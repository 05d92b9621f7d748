"""Slack blocks: format, limits and hostile names."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from include.deliver.render import slack
from include.outbox.message import Evidence, Fact, Link, Message
from tests.deliver.example_messages import MESSAGE


def texts(message: Message) -> list[str]:
    found = []
    for block in slack.blocks(message):
        parts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        found += [part["text"] for part in parts if part]
    return found


def test_reminder_blocks() -> None:
    assert texts(MESSAGE) == [
        "Customer 1: 30 days to the renewal date",
        "*Customer*\nCustomer 1 (standard)",
        "*At stake*\nUSD 120,000 a year",
        "*Why now*\nThis is the 30-day checkpoint.",
        "*What we see*\n🔴 Usage 38% below its baseline.  (product database)"
        "\n🟢 No urgent ticket is open.  (support desk)",
        "*What to do next*\n1. Call your main contact.",
        "<https://crm.example/company/1?a=1&amp;b=2|Open in the CRM>",
        "Renewal checkpoint 30.",
    ]


def test_notes_follow_the_subject() -> None:
    assert texts(MESSAGE.with_note("This may be a repeat."))[1] == "⚠️ This may be a repeat."


HOSTILE = "<!channel> <@U1> <https://evil.example|click> & *bold* _it_ ~no~ `code` snake_case"


def test_hostile_name_is_inert() -> None:
    shown = slack.escape(HOSTILE)
    assert "<" not in shown and ">" not in shown
    assert not set("*~`") & set(shown)
    assert "&lt;!channel&gt;" in shown and "snake_case" in shown and "_it" not in shown
    message = Message(
        subject=HOSTILE,
        summary=HOSTILE,
        notes=(HOSTILE,),
        facts=(Fact(label="Customer", value=HOSTILE),),
        why_now=HOSTILE,
        evidence=(Evidence(text=HOSTILE, source=HOSTILE),),
        next_steps=(HOSTILE,),
        links=(Link(label=HOSTILE, url="https://crm.example/<|>"),),
        footer=HOSTILE,
    )
    for text in [*texts(message), slack.fallback_text(message)]:
        assert "<!" not in text and "<@" not in text and "<https://evil" not in text
    for block in slack.blocks(message):
        for part in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]:
            assert part is None or part["type"] == "plain_text" or part["verbatim"] is True


def test_escape_sequence_is_never_cut() -> None:
    for length in range(2990, 3010):
        assert not any(
            text.rstrip("…").endswith(("&", "&a", "&am", "&amp"))
            for text in texts(Message(subject="x", summary="x", why_now="&" * length))
        )


def test_case_53_omitted_lines_are_counted() -> None:
    many = Message(
        subject="x",
        summary="x",
        evidence=tuple(Evidence(text=f"reason {number} " + "y" * 150) for number in range(300)),
        next_steps=("First step.",),
    )
    found = texts(many)
    shown = sum(text.count("reason ") for text in found)
    assert f"and {300 - shown} more" in found
    assert 40 < shown < 300
    assert "1. First step." in "".join(found)


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=4000)


@settings(max_examples=60)
@given(
    st.builds(
        Message,
        subject=words,
        summary=words,
        notes=st.lists(words, max_size=8),
        facts=st.lists(st.builds(Fact, label=words, value=words), max_size=15),
        why_now=words,
        evidence=st.lists(st.builds(Evidence, text=words, source=words), max_size=80),
        next_steps=st.lists(words, max_size=30),
        footer=words,
    )
)
def test_slack_limits_hold_for_any_message(message: Message) -> None:
    blocks = slack.blocks(message)
    assert len(blocks) <= 50
    assert len(slack.fallback_text(message)) <= 3000
    assert len(json.dumps(blocks, ensure_ascii=False)) < 13_200
    for block in blocks:
        if block["type"] == "header":
            assert 1 <= len(block["text"]["text"]) <= 150
        if block["type"] == "section" and "text" in block:
            assert 1 <= len(block["text"]["text"]) <= 3000
        assert 0 < len(block.get("fields", [0])) <= 10
        assert all(0 < len(field["text"]) <= 2000 for field in block.get("fields", []))
        assert len(block.get("elements", [])) <= 10
