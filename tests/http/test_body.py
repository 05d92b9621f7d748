import pytest

from include.http.body import BadBody, page_parser, parse, row


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
def test_every_text_passes_unchanged(content: bytes, value: object) -> None:
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
def test_non_json_body_is_reported(content: bytes, said: str) -> None:
    with pytest.raises(BadBody, match=said):
        parse(content)


@pytest.mark.parametrize(
    "rows",
    [
        rb'[{"id": 1, "deep": {"a": [null, 1.5, true]}}, {"id": "2"}]',
        rb'[{"id": 1234567890123456789}, {"a": "x\u0000y"}, {"a": "\ud800"}, [], null, "\ud83d\ude00"]',
        rb"[]",
        rb'{"id": 1}',
        rb"null",
    ],
)
def test_undecoded_rows_equal_the_rows_of_the_page(rows: bytes) -> None:
    page = page_parser("rows", ("after",))(rb'{"count": 3, "rows": %b, "after": "x"}' % rows)
    whole = parse(rows)
    assert page["after"] == "x"
    assert ([row(one) for one in page["rows"]] if isinstance(whole, list) else page["rows"]) == whole


@pytest.mark.parametrize("end", [b"", b"[" * 100_000, b'{"a": 1', b'[{"a": 1}], "after": '])
def test_non_json_page_is_rejected(end: bytes) -> None:
    with pytest.raises(BadBody, match="not JSON"):
        page_parser("rows", ("after",))(b'{"rows": ' + end)


def test_page_with_a_non_json_row_is_rejected_entirely() -> None:
    with pytest.raises(BadBody, match="not JSON"):
        page_parser("rows", ())(b'{"rows": [{"a": "\xff"}]}')
