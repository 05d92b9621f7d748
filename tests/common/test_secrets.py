"""Secrets are never shown: known ones in any encoding, and any text that looks like one."""

from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote

import pytest
from markupsafe import escape as markup_escape

from include.common import connections, secrets
from include.common.errors import ConfigError, Unavailable
from include.deliver.channels.base import Outcome
from include.http.redact import redact
from include.ingest import suppression

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
        "postgresql://me:p@abcdef123456@db.example/x",
        "postgresql://me:p@ss/abcdef123456@db.example/x",
        "postgresql://me:pass/abcdef123456@db.example/x",
        "password='abcdef123456'",
        'said {"password": "abcdef123456"}',
        "{'client_secret': 'abcdef123456 with more'}",
        "client_secret=abcdef123456",
        "https://qyapi.example/send?key=abcdef123456",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdef123456abcdef123456",
        "glpat-abcdef123456abcdef123456",
        "00D5g000004abcd!AQEAQabcdef123456.abcdef123456",
        "Authorization: token abcdef123456",
        "Authorization: Bearer abcdefghijkl abcdef123456".removesuffix(" abcdef123456"),
        "X-Api-Key: abcdef123456",
        "x-auth-token: abcdef123456",
        "password: abcdef123456",
        "<password>abcdef123456</password>",
        r"{\"access_token\": \"abcdef123456\"}",
        r"client_secret='it\'s abcdef123456'",
        "client_secret%3Dabcdef123456",
        "https://me@corp.example:abcdef123456@db.example/x",
        "https://discord.com/api/webhooks/1/abcdef123456",
        "https://corp.example/webhook/abcdef123456@x/IncomingWebhook/abcdef123456",
        "https://store.example/x?sv=1&sig=abcdef123456",
        "https://robot.example/send?timestamp=1&sign=abcdef123456",
        "https://open.feishu.example/open-apis/bot/v2/hook/abcdef123456",
        "{'headers': {'X-Key': 'abcdef123456'}}",
        '{"key": "abcdef123456abcdef123456"}',
    ],
)
def test_secret_lookalikes_are_in_no_error(text: str) -> None:
    for shown in (str(Unavailable(f"the vendor says {text} now")), Outcome("refused", f"said {text} now").reason):
        assert "***" in shown and shown.endswith("now")
        assert not {"abcdef123456", "signature123456", "ABCDEFGHIJKLMNOP"} & set(shown.replace("=", " ").split())
        assert "abcdef123456" not in shown and "abcdefghijkl" not in shown and JWT[:30] not in shown


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
def test_known_secret_is_hidden_in_every_form(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", {})
    assert form in str(Unavailable(f"said <{form}>"))
    connections.make("crm", conn_type="hubspot", password=OURS)
    shown = str(Unavailable(f"said <{form}>"))
    assert "***" in shown and form[4:-4] not in shown


ODD = "p@ss  \"w&rd'<é>/12345"


@pytest.mark.parametrize(
    "echoed",
    [
        json.dumps(ODD), json.dumps(ODD, ensure_ascii=False).replace("/", r"\/"), html.escape(ODD),
        str(markup_escape(ODD)), quote(ODD, safe="").lower(), repr(ODD.encode()), " ".join(ODD.split()),
    ],
)  # fmt: skip
def test_a_secret_with_odd_signs_is_hidden_as_others_write_it(echoed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", {})
    connections.make("product_db", conn_type="postgres", password=ODD)
    assert "12345" not in redact(f"said <{echoed}>")


@pytest.mark.parametrize(
    "said",
    [
        "connection crm: has no password; the token endpoint of https://a.example/x returned 400: bad key",
        "password reset ticket #1234: password: how do I reset it?",
        "Basic Authentication failed for user ada@vendor.example",
        "Bearer authentication required",
        'duplicate key value violates unique constraint "x": Key (id)=(0031t00000ABCDEAAA) already exists.',
        "config/channels.yaml:3: unknown key='foo', did you mean key=\"food\"?",
        "foreign key=fk_account; sort_key=updated_at; task key=crm:0031t00000ABCDEAAA:renewal:30",
        "api_key: required",
        "the cookie banner is gone; a webhook of https://a.example:8080/path@x",
    ],
)
def test_plain_words_are_kept(said: str) -> None:
    assert str(ConfigError(said)) == said


@pytest.mark.parametrize(
    "part", ["password: ", "set-cookie: ", "basic aaaaaa1", "<password>", "key='", "a.a/webhook/", "://a:"]
)
def test_every_text_is_scanned_in_linear_time(part: str) -> None:
    whole, quarter = (min(_seconds(part * (n // len(part))) for _ in range(3)) for n in (19_000, 4_750))
    assert whole < 10 * quarter  # of CPU time; 16 times if each character is tried up to the end


def _seconds(text: str) -> float:
    started = time.process_time()
    secrets.hidden(text)
    return time.process_time() - started


def test_scan_time_of_a_long_text_is_limited() -> None:
    assert len(secrets.hidden("password-" * 100_000)) <= 20_001
    # Without a bound these would take hours: every character would be tried as the start of an address.
    assert suppression.ADDRESS.findall("a" * 2_000_000) == []
    assert suppression.ADDRESS.findall("<ada@one.example>, bob@two.example;x@y") == [
        "ada@one.example",
        "bob@two.example",
    ]
