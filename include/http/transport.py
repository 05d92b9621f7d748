"""Send requests without the per-request work that a ``requests`` session would repeat.

Merging headers, cookies and environment settings takes as long as sending the request. Cookies are not needed here, and
redirects are never followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlencode

import orjson
import requests
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict

from include.http import body
from include.http.deadline import Deadline


def send(
    session: requests.Session,
    method: str,
    url: str,
    *,
    params: Mapping[str, Any],
    json: Any,
    form: Mapping[str, str] | None,
    auth: AuthBase | None,
    timeouts: tuple[float, float],
) -> requests.Response:
    """Send a request over a session's connections. Return the response with its body still unread.

    Args:
        session: Provides the common headers, trusted certificates and proxy.
        method: HTTP method.
        url: URL without parameters.
        params: Query parameters; None values are left out.
        json: JSON body; None for none.
        form: Web form to send instead of a JSON body.
        auth: Adds the credentials.
        timeouts: Seconds to connect, and between two bytes of the response.

    Raises:
        requests.RequestException: The request could not be sent, or no response arrived.
    """
    request = requests.PreparedRequest()
    headers = CaseInsensitiveDict(cast("Mapping[str, str]", session.headers))
    request.method, request.url, request.headers = method, _quoted(url), headers
    if given := {key: value for key, value in params.items() if value is not None}:
        request.url += f"?{urlencode(given, doseq=True)}"
    if json is not None:
        request.body, request.headers["Content-Type"] = orjson.dumps(json), "application/json"
    elif form is not None:
        request.body, request.headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
    if request.body is not None:
        request.headers["Content-Length"] = str(len(request.body))
    if auth:
        auth(request)
    verify = True if session.verify is None else session.verify
    adapter = session.get_adapter(request.url)
    return adapter.send(request, stream=True, timeout=timeouts, verify=verify, proxies=session.proxies)


def exchange(session: requests.Session, method: str, url: str, **how: Any) -> tuple[requests.Response, bytes]:
    """Send a request and return the response with its body, both within ``body.MAX_SECONDS`` seconds.

    Raises:
        requests.RequestException: The request could not be sent, or no response arrived.
        BadBody: The response is too large or took too long.
    """
    with Deadline(body.MAX_SECONDS) as deadline:
        try:
            with send(session, method, url, **how) as response:
                received = body.read(response)
            if not deadline.is_over:
                return response, received
        except (requests.RequestException, ValueError, AttributeError):
            if not deadline.is_over:
                raise
    raise body.BadBody(f"the response was not complete after {deadline.seconds:g} seconds")


@lru_cache(maxsize=1000)
def _quoted(url: str) -> str:
    request = requests.PreparedRequest()
    request.prepare_url(url, None)
    return str(request.url)
