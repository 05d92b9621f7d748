"""The HTTP client for all vendors: a ``requests`` session with timeouts, a shared rate limiter, and retries.

Every failure is raised as a typed error with a readable message and no secrets: ``AuthError`` and ``Refused`` at once;
``Unavailable``, ``Uncertain`` and ``QuotaExhausted`` when waiting did not help.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
from requests.auth import AuthBase

from include.common import clock
from include.common.errors import AuthError, ConfigError, Forbidden, PerennialError, QuotaExhausted, Unavailable
from include.http import body
from include.http.dates import pause, retry_after, skew
from include.http.guard import GuardedAdapter
from include.http.limiter import MAX_WAIT_SECONDS, Limit, Limiter
from include.http.network_errors import never_connected, reason
from include.http.oauth import OAuth
from include.http.redact import redact
from include.http.transport import exchange

_TIMEOUTS = (10, 120)
_ATTEMPTS = 6
# Before the first success, a wrong address is likelier than an outage: fail soon.
_FIRST_ATTEMPTS = 3
_HOUR = 3600.0
# Raised by a header that is not a number, or a date that does not exist. Such a header is ignored.
_BAD_HEADER_ERRORS = (ValueError, TypeError, OverflowError, ArithmeticError, OSError)
_DUPLICATE_KEY_CURE = "keep the key on one of these records and clear it on the others, then make its field unique"
_TRANSIENT = {408, 423, 425, 477, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 527, 529, 530}


class Refused(ConfigError):
    """The vendor rejected the request as wrong. A retry cannot help.

    Args:
        message: As for PerennialError.
        status: HTTP status.
        data: The parsed response body; None if it is not JSON.
        cure: As for PerennialError.
    """

    def __init__(self, message: str, *, status: int, data: Any = None, cure: str = "") -> None:
        self.status = status
        self.data = data
        super().__init__(message, cure=cure)


class TooSlow(Unavailable):
    """The vendor timed out on a page (504). A smaller page may work."""


class Uncertain(Unavailable):
    """A non-repeatable request failed, and it is unknown whether the vendor carried it out."""


@dataclass(frozen=True)
class Answer:
    """A successful response: status 200 to 299."""

    status: int
    headers: Mapping[str, str]
    data: Any


@dataclass(frozen=True)
class Throttle:
    """The meaning of a 429 response.

    Args:
        seconds: How long to wait; None if the vendor does not say.
        is_daily: Whether the daily quota is used up.
    """

    seconds: float | None = None
    is_daily: bool = False


@dataclass(frozen=True)
class RatePolicy:
    """One vendor's rate limits, error format and response format.

    Args:
        name: The vendor's name in messages.
        learn: (kind of call, headers) -> limits by kind that the headers state.
        throttle: (headers, parsed body) -> meaning of a 429.
        explain: Parsed error body -> the vendor's error message; "" if there is none.
        is_throttled: (status, parsed body) -> whether the call was throttled, for vendors that do not use 429.
        pause_seconds: Headers of any response -> seconds to pause, because the quota is nearly used up.
        parse: Body -> parsed value, for vendors that respond in a format other than JSON.
        resets_at: Asks the vendor when an exhausted daily quota resets; None if it cannot say.
    """

    name: str
    learn: Callable[[str, Mapping[str, str]], dict[str, Limit]] = lambda kind, headers: {}
    throttle: Callable[[Mapping[str, str], Any], Throttle] = lambda headers, data: Throttle(retry_after(headers))
    explain: Callable[[Any], str] = lambda data: ""
    is_throttled: Callable[[int, Any], bool] = lambda status, data: status == 429
    pause_seconds: Callable[[Mapping[str, str]], float] = lambda headers: 0.0
    parse: Callable[[bytes], Any] = body.parse
    resets_at: Callable[[Client], datetime | None] = lambda client: None


@dataclass
class _Call:
    method: str
    path: str
    params: Mapping[str, Any]
    json: Any
    form: Mapping[str, str] | None
    kind: str
    is_repeatable: bool
    is_divisible: bool
    parse: Callable[[bytes], Any]
    has_new_token: bool = False


class _Retryable(Exception):
    """One attempt failed and may be retried."""

    def __init__(self, final: PerennialError, wait: float | None = None, attempts: int = _ATTEMPTS) -> None:
        self.final = final
        self.wait = wait
        self.attempts = attempts


@dataclass
class Client:
    """Call one vendor account.

    Args:
        base_url: Full base URL; credentials are sent nowhere else.
        auth: Adds the credentials; None for calls that carry them in their body.
        limiter: Shared by all callers of this account.
        rate_policy: The vendor's limits and formats.
        secrets: Values to redact from every message.
        connection_id: Named in errors.
        sleep: Waits for a number of seconds.
        timeouts: Seconds to connect, and between two bytes of the response.
    """

    base_url: str
    auth: AuthBase | None = field(repr=False)
    limiter: Limiter
    rate_policy: RatePolicy
    secrets: tuple[str, ...] = field(repr=False)
    connection_id: str
    sleep: Callable[[float], None] = time.sleep
    timeouts: tuple[float, float] = _TIMEOUTS
    skew_seconds: float = field(default=0.0, init=False)
    has_worked: bool = field(default=False, init=False)
    headers: Mapping[str, str] = field(default_factory=dict, init=False)  # of the last response
    _is_checking_reset: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.session = requests.Session()
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, GuardedAdapter())
        self.session.headers.update({"Accept": "application/json", "User-Agent": "perennial/0.1"})
        # Read proxies and certificates from the environment once. ``requests`` would read them for each call.
        given = self.session.merge_environment_settings(self.base_url, {}, None, None, None)
        self.session.proxies, self.session.verify, self.session.trust_env = given["proxies"], given["verify"], False

    def get(self, path: str, params: Mapping[str, Any] | None = None, **how: Any) -> Answer:
        """Send a repeatable GET request; see ``call``."""
        return self.call("GET", path, params=params, is_repeatable=True, **how)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        kind: str = "ordinary",
        is_repeatable: bool = False,
        is_divisible: bool = False,
        parse: Callable[[bytes], Any] | None = None,
    ) -> Answer:
        """Send one request, and retry it where a retry may help.

        Args:
            method: HTTP method.
            path: Path below the base URL, with its leading slash.
            params: Query parameters; None values are left out.
            json: JSON body.
            form: Web form to send instead of a JSON body.
            kind: Kind of call that the limiter counts.
            is_repeatable: Whether it is safe to carry out twice: reads, and writes with a unique key.
            is_divisible: Whether a smaller page can be requested: a 504 is then raised as ``TooSlow`` without a retry.
            parse: Body of a successful response -> parsed value; by default the parser of the rate policy.

        Raises:
            AuthError: Wrong credentials or missing scopes.
            Refused: The request is wrong.
            QuotaExhausted: The quota does not reset for longer than a task should wait.
            Uncertain: The request is not repeatable and may have been carried out.
            Unavailable: All attempts failed.
        """
        parse = parse or self.rate_policy.parse
        call = _Call(method, path, params or {}, json, form, kind, is_repeatable, is_divisible, parse)
        try:
            return self._attempt(call)
        except _Retryable as retryable:
            first = retryable
        return self._retry(call, first)

    def _retry(self, call: _Call, first: _Retryable) -> Answer:
        """Retry after a failed first attempt. Kept apart because most calls do not need it."""
        failed = [first]

        def attempt() -> Answer:
            if failed:
                raise failed.pop()
            return self._attempt(call)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Retryable),
            stop=self._is_exhausted,
            wait=_wait,
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _Retryable as retryable:
            raise retryable.final from None

    def _is_exhausted(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return isinstance(error, _Retryable) and state.attempt_number >= error.attempts

    def _attempt(self, call: _Call) -> Answer:
        if not call.path.startswith("/"):
            raise ValueError(f"{call.path[:40]} is not a path below the base URL: it would change the host")
        counted_at = self.limiter.acquire(call.kind)
        where = f"{call.method} {self.base_url}{call.path}"
        try:
            response, received = exchange(
                self.session,
                call.method,
                f"{self.base_url}{call.path}",
                params=call.params,
                json=call.json,
                form=call.form,
                auth=self.auth,
                timeouts=self.timeouts,
            )
        except requests.exceptions.SSLError as error:
            raise ConfigError(
                f"{where}: the server's certificate is not trusted: {self._redacted(error)}",
                cure=f"correct the host of connection {self.connection_id}, or set REQUESTS_CA_BUNDLE to your own CA",
            ) from None
        except requests.exceptions.InvalidURL as error:
            raise ConfigError(
                f"{where}: {self._redacted(error)}", cure=f"correct connection {self.connection_id}"
            ) from None
        except requests.exceptions.ConnectionError as error:
            if never_connected(error):
                attempts = _ATTEMPTS if self.has_worked else _FIRST_ATTEMPTS
                final = self._unavailable(f"{where}: cannot connect: {self._redacted(error)}")
                raise _Retryable(final, attempts=attempts) from None
            raise self._transient_error(call, f"{where}: the connection broke: {self._redacted(error)}") from None
        except (requests.RequestException, body.BadBody) as error:
            raise self._transient_error(call, f"{where}: {self._redacted(error)}") from None
        except (ValueError, TypeError) as error:
            # For example, a header that cannot be sent. The error's text contains the header, and so the credentials.
            raise ConfigError(
                f"{where}: cannot build the request: {type(error).__name__}",
                cure=f"correct host, login and password of connection {self.connection_id}",
            ) from None
        finally:
            self.limiter.recount(call.kind, counted_at)
        self._read_headers(call.kind, response.headers)
        return self._interpret(call, where, response, received)

    def _interpret(self, call: _Call, where: str, response: requests.Response, received: bytes) -> Answer:
        """Return the response, or raise the error that its status means."""
        status = response.status_code
        if 200 <= status < 300:
            try:
                data = call.parse(received) if received.strip() else None
            except body.BadBody as error:
                raise self._transient_error(call, f"{where}: {error}") from None
            self.has_worked = True
            return Answer(status, response.headers, data)
        try:
            data = self.rate_policy.parse(received)
        except body.BadBody:
            data = None
        reason_given = redact(self.rate_policy.explain(data) if data is not None else "", *self._all_secrets())
        message = f"{where}: {self.rate_policy.name} returned {status}{f': {reason_given}' if reason_given else ''}"
        if self.rate_policy.is_throttled(status, data):
            raise self._throttled(message, call.kind, response.headers, data)
        if status == 401 and isinstance(self.auth, OAuth) and not call.has_new_token:
            # The token expired or was revoked: retry with a new one.
            self.auth.forget()
            call.has_new_token = True
            raise _Retryable(self._unavailable(message), 0.0)
        if status in (401, 403) or (status == 530 and not self.has_worked):
            # HubSpot's edge answers a malformed token with 530; after a first success, a 530 is an outage.
            raise (Forbidden if status == 403 else AuthError)(
                message,
                cure=f"correct the credentials of connection {self.connection_id}, or grant them the missing scope",
            )
        if 301 <= status < 400:
            target = urlsplit(response.headers.get("Location", ""))
            raise ConfigError(
                f"{message}: it redirects to {target.scheme}://{target.hostname}, and credentials are sent only to"
                f" the configured host",
                cure=f"correct the host of connection {self.connection_id}",
            )
        if status == 504 and call.is_divisible:
            raise TooSlow(message, cure="try again later")
        if status in _TRANSIENT or status >= 500:
            wait = retry_after(response.headers)
            if wait is not None:
                self.limiter.block(call.kind, min(wait, MAX_WAIT_SECONDS))
            raise self._transient_error(call, message)
        cure = _DUPLICATE_KEY_CURE if status == 300 else f"check the host of connection {self.connection_id}"
        raise Refused(message, status=status, data=data, cure=cure)

    def _throttled(self, message: str, kind: str, headers: Mapping[str, str], data: Any) -> Exception:
        throttle = self.rate_policy.throttle(headers, data)
        retry_seconds = None if throttle.seconds is None else pause(throttle.seconds)
        if throttle.is_daily or (retry_seconds or 0) > MAX_WAIT_SECONDS:
            wait = retry_seconds or self._seconds_until_reset() or _HOUR
            for each in self.limiter.limits if throttle.is_daily else (kind,):
                self.limiter.block(each, wait)
            resumes_at = datetime.fromtimestamp(self.limiter.clock() + wait, UTC).isoformat(timespec="seconds")
            return QuotaExhausted(
                f"{message}; partial, resumes at {resumes_at}",
                resumes_at=resumes_at,
                cure=f"no action needed: the next run after {resumes_at} resumes where this one stopped",
            )
        if retry_seconds is not None:
            self.limiter.block(kind, retry_seconds)
        return _Retryable(self._unavailable(message), retry_seconds)

    def _seconds_until_reset(self) -> float | None:
        """Return for how many seconds the daily quota stays used up, if the vendor can be asked."""
        if self._is_checking_reset:
            return None
        self._is_checking_reset = True
        try:
            resets_at = self.rate_policy.resets_at(self)
            seconds = pause((resets_at - clock.now()).total_seconds()) if resets_at else None
        except (PerennialError, *_BAD_HEADER_ERRORS):
            return None
        finally:
            self._is_checking_reset = False
        return seconds or None

    def _transient_error(self, call: _Call, message: str) -> Exception:
        if call.is_repeatable:
            return _Retryable(self._unavailable(message))
        return Uncertain(message, cure="check in the other system whether it was carried out before you send it again")

    def _unavailable(self, message: str) -> Unavailable:
        return Unavailable(
            message, cure=f"check the host of connection {self.connection_id}; if it is correct, try again later"
        )

    def _read_headers(self, kind: str, headers: Mapping[str, str]) -> None:
        self.headers = headers
        with contextlib.suppress(*_BAD_HEADER_ERRORS):
            for name, limit in self.rate_policy.learn(kind, headers).items():
                self.limiter.learn(name, limit)
        with contextlib.suppress(*_BAD_HEADER_ERRORS):
            if (seconds := self.rate_policy.pause_seconds(headers)) > 0:
                self.limiter.block(kind, seconds)
        if "Date" in headers:
            self.skew_seconds = skew(headers["Date"])

    def _redacted(self, error: object) -> str:
        return redact(reason(error), *self._all_secrets())

    def _all_secrets(self) -> tuple[str, ...]:
        return (*self.secrets, self.auth.value) if isinstance(self.auth, OAuth) else self.secrets


def _wait(state: tenacity.RetryCallState) -> float:
    """Wait as long as the vendor asks; otherwise back off exponentially, with jitter to spread retries."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Retryable) and error.wait is not None:
        # The limiter already blocks all callers for that time.
        return 0.0
    return tenacity.wait_exponential_jitter(initial=1, max=60, jitter=1)(state)
