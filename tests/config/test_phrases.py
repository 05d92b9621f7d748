"""Phrases in settings: what they match, and that none can take exponential time."""

from __future__ import annotations

from pathlib import Path

import pytest

from include import config
from include.common.errors import ConfigError
from include.config import phrases
from include.config.files import OVERLAY_VARIABLE


@pytest.mark.parametrize(
    ("phrase", "found", "not_found"),
    [
        ("fail*", "It FAILED twice", "unfailing"),
        ("(cannot|can't) .. open", "I can't even open it", "I cannot. Please open"),
        ("500", "error 500!", "15001"),
        ("how (do|can) i", "How  can I do it", "show can I"),
        ("打不开", "页面打不开了", "打开"),
        ("(换成|改成) .. 管理员", "请把他改成空间管理员", "管理员改成"),
        ("a.b", "a.b", "axb"),
    ],
)
def test_a_phrase_matches_words(phrase: str, found: str, not_found: str) -> None:
    assert phrases.compiled(phrase).search(found) and not phrases.compiled(phrase).search(not_found)


@pytest.mark.parametrize("wrong", ["", "x" * 201, "a .. b .. c .. d", ".. a", "(a|b", "(a||b)", "* a", "((a)|b)"])
def test_a_phrase_that_cannot_be_read_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        phrases.compiled(wrong)


def test_regular_expressions_have_no_power() -> None:
    assert not phrases.compiled("(a+)+$").search("a" * 5_000)  # would take for ever as a regular expression
    assert phrases.compiled("a .. b .. c").search("a " * 2_000 + "b c")


def test_examples_are_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "triage.yaml").write_text(
        "patterns:\n  - {label: bug, language: en, phrases: [broken], examples: [is broken, all is well]}\n"
    )
    monkeypatch.setenv(OVERLAY_VARIABLE, str(tmp_path))
    with pytest.raises(ConfigError, match=r"triage.yaml:.*all is well.*unknown"):
        config.load()
