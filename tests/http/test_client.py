"""The HTTP client over a fake transport: error mapping, and data that is never sent."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from include.common.errors import AuthError, ConfigError, QuotaExhausted, Unavailable
from include.connectors.crm.hubspot.client import RATE_POLICY
from include.http import body
from include.http.auth import Bearer
from include.http.client import Client, Refused, Uncertain
from include.http.dates import retry_after
from include.http.limiter import Limit, Limiter
from include.http.shared import InFile
from tests.fixtures.fake_vendor import Handler, Time, wire

SECRET = "pat-eu1-1234abcd-secret"
OK = (200, {"results": []})
HTML = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"


@pytest.fixture
def client(tmp_path: Path) -> Client:
    limiter = Limiter(InFile(tmp_path / "limit.json"), {"ordinary": Limit(10_000, 1.0), "search": Limit(10_000, 1.0)})
    return Client("https://api.example", Bearer(SECRET), limiter, RATE_POLICY, (SECRET,), "crm")


def replies(*sequence: object) -> Handler:
    """Respond with the replies in order, repeating the last one."""
    rest = list(sequence)
    return lambda request: rest.pop(0) if len(rest) > 1 else rest[0]  # type: ignore[return-value]


@pytest.mark.parametrize("status", [408, 423, 477, 500, 502, 503, 504, 521, 522, 524])
def test_case_16_transient_failure_is_retried(client: Client, status: int) -> None:
    adapter = wire(client, replies((status, HTML), (status, HTML), OK))
    assert client.get("/x").data == {"results": []}
    assert len(adapter.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [
        (502, HTML),
        (200, HTML),
        (200, b'{"results": ['),
        requests.exceptions.ReadTimeout("read timed out"),
        requests.exceptions.ChunkedEncodingError("broken"),
        requests.exceptions.ConnectionError("Connection aborted."),
    ],
)
def test_outage_ends_in_one_clear_error(client: Client, reply: object) -> None:
    time = Time()
    adapter = wire(client, replies(reply), time)
    with pytest.raises(Unavailable, match=r"GET https://api\.example/x: .*connection crm") as caught:
        client.get("/x", {"token": "hidden"})
    assert not isinstance(caught.value, Uncertain)
    assert len(adapter.requests) == 6
    assert 25 < sum(time.slept) < 60
    assert "hidden" not in str(caught.value)


def test_unreachable_address_is_reported_quickly(client: Client) -> None:
    refused = MaxRetryError(None, "/", NewConnectionError(None, "Failed to establish: Connection refused"))  # type: ignore[arg-type]
    adapter = wire(client, replies(requests.exceptions.ConnectionError(refused)))
    with pytest.raises(Unavailable, match=r"cannot connect: .*Connection refused"):
        client.get("/x")
    assert len(adapter.requests) == 3


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (401, {"status": "error", "message": "bad token"}, AuthError),
        (403, {"status": "error", "message": "missing scopes"}, AuthError),
        (530, HTML, AuthError),
        (400, {"status": "error", "message": "no such property"}, Refused),
        (404, HTML, Refused),
        (414, b"", Refused),
        (301, b"", ConfigError),
    ],
)
def test_permanent_failure_fails_at_once(client: Client, status: int, content: object, kind: type) -> None:
    adapter = wire(client, replies((status, content, {"Location": "https://evil.example/steal?x=1"})))
    with pytest.raises(kind) as caught:
        client.get("/x")
    assert len(adapter.requests) == 1
    assert isinstance(content, bytes) or content["message"] in str(caught.value)
    assert "steal" not in str(caught.value)


def test_status_530_after_success_is_an_outage(client: Client) -> None:
    wire(client, replies(OK, (530, HTML), OK))
    client.get("/x")
    assert client.get("/x").data == {"results": []}


def test_credentials_go_to_the_configured_host_only(client: Client) -> None:
    adapter = wire(client, replies((302, b"", {"Location": "https://evil.example/"})))
    with pytest.raises(ConfigError, match=r"redirects to https://evil\.example"):
        client.get("/x")
    assert {request.host for request in adapter.requests} == {"api.example"}
    assert adapter.options[0]["verify"] not in (False, None)
    assert adapter.options[0]["timeout"] == (10, 120)


@pytest.mark.parametrize(("given", "used"), [(None, True), ("/own/ca.pem", "/own/ca.pem")])
def test_certificates_are_checked_with_the_given_authorities(client: Client, given: str | None, used: object) -> None:
    adapter = wire(client, replies(OK))
    client.session.verify = given
    client.get("/x")
    assert adapter.options[0]["verify"] == used


def test_no_secret_in_an_error_even_if_the_vendor_echoes_it(client: Client) -> None:
    wire(client, replies((401, {"message": f"token {SECRET} is wrong, so is xoxb-123456-abc"})))
    with pytest.raises(AuthError) as caught:
        client.get("/x")
    assert SECRET not in str(caught.value)
    assert "xoxb-123456" not in str(caught.value)
    assert SECRET not in repr(caught.value.__context__)
    assert SECRET not in repr(client)


@pytest.mark.parametrize(
    ("reply", "waited"),
    [
        ((429, {"policyName": "SECONDLY"}), 1),
        ((429, {"policyName": "TEN_SECONDLY_ROLLING"}), 10),
        ((429, {"policyName": "SECONDLY"}, {"Retry-After": "7"}), 7),
        ((503, HTML, {"Retry-After": "20"}), 20),
    ],
)
def test_case_14_throttling_is_obeyed(client: Client, reply: tuple, waited: float) -> None:
    time = Time()
    wire(client, replies(reply, OK), time)
    client.get("/x")
    assert waited - 0.01 <= sum(time.slept) <= waited + 3


def test_case_14_daily_quota_stops_all_processes_until_reset(client: Client) -> None:
    time = Time()
    adapter = wire(client, replies((429, {"policyName": "DAILY"}, {"Retry-After": "7200"}), OK), time)
    for _ in range(2):
        with pytest.raises(QuotaExhausted) as caught:
            client.get("/x")
        assert caught.value.resumes_at == "2023-11-15T00:13:20+00:00"
    assert len(adapter.requests) == 1
    assert time.slept == []
    time.now += 7201
    assert client.get("/x").data == {"results": []}


def test_non_idempotent_call_is_not_repeated(client: Client) -> None:
    for reply in ((502, HTML), (200, HTML), requests.exceptions.ReadTimeout("read timed out")):
        adapter = wire(client, replies(reply))
        with pytest.raises(Uncertain):
            client.call("POST", "/x", json={})
        assert len(adapter.requests) == 1


def test_call_known_not_executed_is_retried(client: Client) -> None:
    adapter = wire(client, replies((429, {"policyName": "SECONDLY"}), requests.exceptions.ConnectTimeout("slow"), OK))
    client.call("POST", "/x", json={"a": 1})
    assert len(adapter.requests) == 3


def test_endless_response_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_BYTES", 1000)
    wire(client, replies((200, b"[" + b"1," * 5000 + b"1]")))
    with pytest.raises(Unavailable, match="larger than"):
        client.get("/x")


def test_untrusted_certificate_is_reported(client: Client) -> None:
    wire(client, replies(requests.exceptions.SSLError("certificate verify failed: self-signed certificate")))
    with pytest.raises(ConfigError, match=r"not trusted: .*self-signed"):
        client.get("/x")


def test_limits_are_learned_from_headers(client: Client) -> None:
    headers = {"X-HubSpot-RateLimit-Secondly": "2", "X-HubSpot-RateLimit-Max": "20"}
    time = Time()
    wire(client, replies((200, {"results": []}, headers)), time)
    for _ in range(5):
        client.get("/x")
    assert sum(time.slept) >= 1.0


def test_vendor_clock_skew_is_detected(client: Client) -> None:
    wire(client, replies((200, {}, {"Date": "Wed, 05 Mar 2025 11:38:17 GMT"})))
    client.get("/x")
    assert client.skew_seconds < -86_400


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["inf", "1e308", "nan", "-inf", "1e9", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_header_blocks_an_account_permanently(client: Client, value: str, status: int) -> None:
    time = Time()
    wire(client, replies(*[(status, {"policyName": "SECONDLY"}, {"Retry-After": value})] * 6, OK), time)
    with contextlib.suppress(Unavailable):
        client.get("/x")
    time.now += 48 * 3600 + 1
    wire(client, replies(OK), time)
    assert client.get("/x").data == {"results": []}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HubSpot-RateLimit-Secondly": "9" * 5000},
        {"X-HubSpot-RateLimit-Secondly": "²"},
        {"X-HubSpot-RateLimit-Max": "5", "X-HubSpot-RateLimit-Interval-Milliseconds": "9" * 400},
        {"Date": "Fri, 31 Dec 99999 23:59:59 GMT"},
    ],
)
def test_invalid_header_is_ignored(client: Client, headers: dict[str, str]) -> None:
    wire(client, replies((200, {"results": []}, headers), OK))
    client.get("/x")
    assert client.get("/x").data == {"results": []}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("", None), ("inf", None), ("nan", None), ("1e9", 172_800)],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}) == seconds


def test_retry_after_as_a_date_in_the_past_is_now() -> None:
    assert retry_after({"Retry-After": "Wed, 05 Mar 2025 11:38:17 GMT"}) == 0.0
