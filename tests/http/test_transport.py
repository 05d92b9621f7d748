"""Requests are sent as ``requests`` itself would send them, only faster."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import requests
from requests.auth import HTTPBasicAuth

from include.http.transport import send
from tests.fixtures.fake_vendor import FakeAdapter

BASE = "https://api.example/v1"


@pytest.mark.parametrize(
    ("method", "path", "params", "json", "form"),
    [
        ("GET", "/contacts", {"limit": 100, "after": None, "properties": "a,b c", "page[size]": 5}, None, None),
        ("GET", "/a path/ü/100%/x~y", {"q": "type:ticket ü~&=", "id": ["1", "2"], "deep": True}, None, None),
        ("GET", "/one%20two/%7Ethree", {}, None, None),
        ("POST", "/search", {"archived": "false"}, {"name": "Ünï", "ids": [1, 2]}, None),
        ("POST", "/token", {}, None, {"grant_type": "x y", "secret": "ü&="}),
        ("POST", "/empty", {}, [], None),
        ("DELETE", "/thing", {}, None, None),
    ],
)
def test_request_is_sent_as_requests_would_send_it(
    method: str, path: str, params: dict[str, Any], json: Any, form: dict[str, str] | None
) -> None:
    session, adapter = requests.Session(), FakeAdapter(lambda request: (200, {}))
    session.mount("https://", adapter)
    session.headers["Accept"] = "application/json"
    auth = HTTPBasicAuth("login", "secret")
    send(session, method, f"{BASE}{path}", params=params, json=json, form=form, auth=auth, timeouts=(1, 2))
    content = form if json is None else orjson.dumps(json)
    is_json = {"Content-Type": "application/json"} if json is not None else {}
    theirs = session.prepare_request(
        requests.Request(method, f"{BASE}{path}", params=params, data=content, auth=auth, headers=is_json)
    )
    ours = adapter.requests[0]
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    assert dict(ours.headers) == {key: value for key, value in theirs.headers.items() if value != "0"}
    assert adapter.bodies[0] == theirs.body


def test_cookies_are_dropped_and_redirects_not_followed() -> None:
    session = requests.Session()
    adapter = FakeAdapter(lambda request: (302, {}, {"Location": "https://evil.example/", "Set-Cookie": "a=b"}))
    session.mount("https://", adapter)
    for _ in range(2):
        answer = send(session, "GET", f"{BASE}/x", params={}, json=None, form=None, auth=None, timeouts=(1, 2))
        assert answer.status_code == 302
    assert [request.host for request in adapter.requests] == ["api.example"] * 2
    assert all("Cookie" not in request.headers for request in adapter.requests)
