import pytest

from include.sources.http.body import BadBody, clean, parse


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": 1234567890123456789}', {"a": 1234567890123456789}),
        (rb'{"a": "x\u0000y"}', {"a": "x\ufffdy"}),
        (rb'{"a\u0000": ["\ud800", "\ud83d\ude00", "\udc00x"]}', {"a\ufffd": ["\ufffd", "\U0001f600", "\ufffdx"]}),
        (rb'"\\ud800 is only text"', r"\ud800 is only text"),
        ('"עברית \u202e =1+1 <b>"'.encode(), "עברית \u202e =1+1 <b>"),
    ],
)
def test_what_postgresql_refuses_is_replaced_and_all_else_kept(content: bytes, value: object) -> None:
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


def test_clean_leaves_other_values_alone() -> None:
    assert clean({"a": [1, 2.5, None, True]}) == {"a": [1, 2.5, None, True]}
