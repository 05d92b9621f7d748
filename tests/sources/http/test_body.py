import pytest

from include.sources.http.body import BadBody, parse


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": 1234567890123456789}', {"a": 1234567890123456789}),
        (rb'{"a": "x\u0000y"}', {"a": "x\0y"}),
        (rb'["\ud800", "\ud83d\ude00"]', ["\ud800", "\U0001f600"]),
        (rb'"\\ud800 is only text"', r"\ud800 is only text"),
        ('"עברית \u202e =1+1 <b>"'.encode(), "עברית \u202e =1+1 <b>"),
    ],
)
def test_every_text_comes_through_as_it_is(content: bytes, value: object) -> None:
    assert parse(content) == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"  \n<!DOCTYPE html><html>", "web page"),
        (b'{"a": ', "cut off"),
        (rb'{"a": "\ud800", ', "cut off"),
        (rb'{"a": NaN, "b": "\ud800"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_what_is_no_json_is_said(content: bytes, said: str) -> None:
    with pytest.raises(BadBody, match=said):
        parse(content)
