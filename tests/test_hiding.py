"""No secret is shown: neither one of ours in any form, nor one that looks like anybody's."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from include import connections, hiding
from include.delivery.channels.base import Outcome
from include.errors import ConfigError, Unavailable
from include.warehouse import erased

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlMTIzNDU2"
OURS = "s3cr:t/with+signs=="


@pytest.mark.parametrize(
    "text",
    [
        "Bearer abcdef123456",
        JWT,
        "xapp-1-A02-123-abcdef123456",
        "https://hooks.slack.com/services/T01/B02/abcdef123456",
        "postgresql://me:abcdef123456@db.example/x",
        "password='abcdef123456'",
        'said {"password": "abcdef123456"}',
        "{'client_secret': 'abcdef123456 with more'}",
        "client_secret=abcdef123456",
        "https://qyapi.example/send?key=abcdef123456",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdef123456abcdef123456",
    ],
)
def test_what_looks_like_a_secret_is_in_no_error(text: str) -> None:
    for shown in (str(Unavailable(f"the vendor says {text} now")), Outcome("refused", f"said {text} now").because):
        assert "***" in shown and shown.endswith("now")
        assert not {"abcdef123456", "signature123456", "ABCDEFGHIJKLMNOP"} & set(shown.replace("=", " ").split())
        assert "abcdef123456" not in shown and JWT[:30] not in shown


@pytest.mark.parametrize(
    "form",
    [
        OURS,
        quote(OURS, safe=""),
        quote(OURS),
        base64.b64encode(OURS.encode()).decode(),
        base64.b64encode(f"me:{OURS}".encode()).decode(),
        base64.urlsafe_b64encode(f"user:{OURS}".encode()).decode(),
    ],
)
def test_a_secret_that_was_read_is_hidden_in_every_form(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiding, "_known", {})
    assert form in str(Unavailable(f"said <{form}>"))
    connections.make("crm", conn_type="hubspot", password=OURS)
    shown = str(Unavailable(f"said <{form}>"))
    assert "***" in shown and form[4:-4] not in shown


def test_plain_words_stay() -> None:
    said = "connection crm: has no password; the token endpoint of https://a.example/x answered 400: bad key"
    assert str(ConfigError(said)) == said


def test_a_long_text_takes_time_in_step_with_its_length() -> None:
    assert len(hiding.hidden("password-" * 100_000)) <= 20_001
    # Without a bound these would take hours: each letter would be tried as the start of an address.
    assert erased.ADDRESS.findall("a" * 2_000_000) == []
    assert erased.ADDRESS.findall("<ada@one.example>, bob@two.example;x@y") == ["ada@one.example", "bob@two.example"]
