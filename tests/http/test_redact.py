import pytest

from include.http.redact import redact


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef123456",
        "authorization: basic dXNlcjpwYXNz",
        "pat-na1-12345678-abcd-ef",
        "xoxb-123-456-abc",
        "https://a.example/?token=abcdef123456&x=1",
        "the password=abcdef123456",
    ],
)
def test_secret_lookalikes_are_redacted(text: str) -> None:
    shown = redact(text)
    assert "***" in shown
    for part in ("abcdef123456", "dXNlcjpwYXNz", "12345678-abcd", "123-456"):
        assert part not in shown


def test_given_secrets_are_redacted_and_the_rest_kept() -> None:
    assert redact("use  a.b\nor a.bc, not x", "a.b", "a.bc", "") == "use *** or ***, not x"


def test_long_text_is_truncated() -> None:
    assert len(redact("long " * 1000)) == 300
