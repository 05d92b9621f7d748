"""Messages contain no invisible characters and only web links."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from include.common.text import one_line
from include.outbox.message import Link, Message


def test_control_and_direction_marks_are_removed() -> None:
    assert one_line("Acme\r\nBcc: x\x00\u202egnp.exe\u200b ") == "Acme Bcc: x gnp.exe"
    assert one_line("Zoë 株式会社 🚀") == "Zoë 株式会社 🚀"


@pytest.mark.parametrize("name", ["علی\u200cرضا", "👨\u200d👩\u200d👧 Acme", "क्\u200dष", "❤\ufe0f\u200d🔥"])
def test_joiners_that_a_script_needs_are_kept(name: str) -> None:
    assert one_line(name) == name


def test_joiners_elsewhere_are_removed() -> None:
    assert one_line("Ac\u200dme \u200c x\u200d \u202e\u200c\u200dب\u200c") == "Acme x ب"


def test_message_survives_the_outbox() -> None:
    message = Message(subject="a", summary="b", notes=("c",), links=(Link(label="d", url="https://e/f"),))
    assert Message.model_validate(message.model_dump(mode="json")) == message


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "ftp://x/y", "//x/y"])
def test_link_must_be_a_web_address(url: str) -> None:
    with pytest.raises(ValidationError, match="web address"):
        Link(label="x", url=url)


def test_note_is_added_first() -> None:
    assert Message(subject="a", summary="b", notes=("old",)).with_note("new").notes == ("new", "old")
