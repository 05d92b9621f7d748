"""Salesforce's rate policy, and its endpoints as functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from include.common.connections import Connection
from include.common.errors import AuthError, ConfigError, Unavailable
from include.connectors.crm.salesforce.resources import DATA, IDS_PER_QUERY, MAX_QUERY_LENGTH, TOKEN
from include.http.client import Client, RatePolicy, Refused, Throttle
from include.http.dates import retry_after
from include.http.limiter import Limit, for_account
from include.http.loops import Loop
from include.http.oauth import Token
from include.http.oauth_client import open_oauth_client

Row = dict[str, Any]

# Salesforce has no limit per second, but rejects calls when too many long ones run at once.
_LIMITS = {"ordinary": Limit(25, 1.0)}
_BUSY_SECONDS = 15.0
# The daily calls are counted over the last 24 hours, so some become available every hour.
_RESUMES_SECONDS = 3600.0
# Share of the daily calls reserved for the org's other integrations, which would otherwise stop working.
_RESERVE = 0.05
# A session expires about two hours after its last use, and Salesforce does not report when.
_SESSION_SECONDS = 3600.0
_LIMIT_INFO = re.compile(r"api-usage=(\d+)/(\d+)")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_LOCATOR = re.compile(r"/query(?:All)?/([A-Za-z0-9_-]+)$")


class LocatorExpired(Exception):
    """The query's result is no longer available: query again from the last row seen."""


@dataclass(frozen=True)
class Found:
    """One page of a query's result.

    Args:
        total: Total number of matches, counted when the query was first sent.
        locator: Leads to the next page; "" on the last one.
    """

    rows: list[Row]
    total: int
    locator: str


def _codes(data: Any) -> list[str]:
    return [str(each.get("errorCode", "")) for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def _explain(data: Any) -> str:
    if isinstance(data, dict):  # the token endpoint's format
        return ", ".join(str(data[key]) for key in ("error", "error_description") if data.get(key))
    if not isinstance(data, list):
        return ""
    # If a key is not unique, the response is a list of the paths of its records.
    records = [each.rpartition("/")[2] for each in data if isinstance(each, str)]
    if records:
        return f"{len(records)} records have this key: {', '.join(records)}"
    messages = [
        " ".join(str(each[key]) for key in ("errorCode", "message") if each.get(key))
        for each in data
        if isinstance(each, dict)
    ]
    return "; ".join(messages)


def _throttle(headers: Mapping[str, str], data: Any) -> Throttle:
    """Return the meaning of a throttled call.

    An exhausted daily quota has the same code as too many concurrent calls.
    """
    if "TotalRequests" in _explain(data):
        return Throttle(_RESUMES_SECONDS, is_daily=True)
    return Throttle(retry_after(headers) or _BUSY_SECONDS)


def _is_throttled(status: int, data: Any) -> bool:
    return status == 429 or "REQUEST_LIMIT_EXCEEDED" in _codes(data)


def _pause_seconds(headers: Mapping[str, str]) -> float:
    """Pause while a few of the daily calls are left."""
    usage = _LIMIT_INFO.search(headers.get("Sforce-Limit-Info", ""))
    if usage is None:
        return 0.0
    used, quota = int(usage[1]), int(usage[2])
    return _RESUMES_SECONDS if used > quota * (1 - _RESERVE) else 0.0


RATE_POLICY = RatePolicy(
    "Salesforce",
    throttle=_throttle,
    explain=_explain,
    is_throttled=_is_throttled,
    pause_seconds=_pause_seconds,
)


def client(connection: Connection, allowed_plain_http_hosts: tuple[str, ...]) -> Client:
    """Return a client for one org, for reading and for delivery.

    The connection's login is the consumer key of a connected app, its password the consumer secret. With a
    ``refresh_token`` in ``extra`` it uses that token, otherwise the app's own user (client credentials).

    Raises:
        ConfigError: The connection lacks a host, a key or a secret.
    """
    base_url, secret = connection.base_url(allowed_plain_http_hosts), connection.secret()
    if not connection.login:
        raise connection.error("has no login", cure="set its login to the connected app's consumer key")
    refresh_token = str(connection.extra.get("refresh_token") or "")
    limiter = for_account("salesforce", base_url, limits=_LIMITS)
    secrets = (secret, refresh_token)
    return open_oauth_client(
        base_url,
        limiter,
        RATE_POLICY,
        secrets,
        connection.id,
        lambda token_client: _token(token_client, connection, refresh_token),
    )


def _token(token_client: Client, connection: Connection, refresh_token: str) -> Token:
    form = {"client_id": connection.login, "client_secret": connection.password}
    if refresh_token:
        form |= {"grant_type": "refresh_token", "refresh_token": refresh_token}
    else:
        form |= {"grant_type": "client_credentials"}
    try:
        data = token_client.call("POST", TOKEN, form=form, is_repeatable=True).data
    except Refused as error:
        raise AuthError(
            error.message,
            cure=f"correct login and password of connection {connection.id}; its host must be the org's My Domain, and"
            " the connected app must allow the flow and name a user to run as",
        ) from None
    if not isinstance(data, dict) or not isinstance(data.get("access_token"), str) or not data["access_token"]:
        raise Unavailable("Salesforce returned no access token", cure=f"check the host of connection {connection.id}")
    instance, asked = urlsplit(str(data.get("instance_url") or "")), urlsplit(token_client.base_url)
    if instance.netloc and (instance.scheme, instance.netloc.lower()) != (asked.scheme, asked.netloc.lower()):
        raise connection.error(
            f"Salesforce reports the org at {instance.scheme}://{instance.netloc}, but tokens are sent only to"
            f" {asked.netloc}",
            cure="set its host to that address, the org's My Domain",
        )
    if refresh_token and data.get("refresh_token") not in (None, "", refresh_token):
        raise connection.error(
            "the connected app rotates refresh tokens, and Perennial cannot store the new ones",
            cure="turn off refresh token rotation for the app, or omit refresh_token to use client credentials",
        )
    return Token(data["access_token"], _SESSION_SECONDS)


def checked_id(given: Any) -> str:
    """Return an id that is safe to use in a query.

    Raises:
        ValueError: It is not a Salesforce id.
    """
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise ValueError(f"{str(given)[:40]!r} is not a Salesforce id")
    return given


def quoted(text: str) -> str:
    """Return a text as a SOQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def select(names: Iterable[str], sobject: str) -> str:
    """Return a query up to FROM and the object, with each field once."""
    return " ".join(("SELECT", ", ".join(dict.fromkeys(names)), "FROM", sobject))


@dataclass(frozen=True)
class SalesforceApi:
    """The endpoints used for reading."""

    client: Client

    def describe(self, sobject: str) -> Row:
        """Return an object's description; empty if it does not exist or is hidden from the login."""
        try:
            return dict(self.client.get(f"{DATA}/sobjects/{quote(sobject)}/describe").data)
        except Refused as error:
            if error.status == 404:
                return {}
            raise

    def fields(self, sobject: str) -> dict[str, Row]:
        """Return the fields that the login can see, by name; none if the object does not exist."""
        described = self.describe(sobject)
        return {each["name"]: each for each in described["fields"]} if described else {}

    def query(self, soql: str, *, is_all: bool = True) -> Found:
        """Send a query.

        Args:
            is_all: Whether to include deleted, merged and archived rows.

        Raises:
            ConfigError: It is too long for a URL.
        """
        if len(quote(soql)) > MAX_QUERY_LENGTH:
            raise ConfigError(
                f"a query on {soql.rsplit(' FROM ', 1)[-1].split()[0]} would exceed Salesforce's length limit",
                cure="map fewer fields in config/mappings/salesforce.yaml",
            )
        return _found(self.client.get(f"{DATA}/{'queryAll' if is_all else 'query'}", {"q": soql}).data)

    def more(self, locator: str) -> Found:
        """Return the next page of a query's result.

        Raises:
            LocatorExpired: The result is no longer available.
        """
        try:
            return _found(self.client.get(f"{DATA}/query/{locator}").data)
        except Refused as error:
            if "INVALID_QUERY_LOCATOR" in _codes(error.data) or error.status == 404:
                raise LocatorExpired from None
            raise

    def everything(self, soql: str, *, is_all: bool = True) -> Iterator[Row]:
        """Yield all rows of a query with a small result.

        Raises:
            Unavailable: Rows are missing.
        """
        found = self.query(soql, is_all=is_all)
        left = found.total - len(found.rows)
        yield from found.rows
        loop = Loop(f"Salesforce's query of {soql.rpartition(' FROM ')[2].split()[0]}")
        loop.check("", found.locator, _ids(found))
        while found.locator:
            asked = found.locator
            try:
                found = self.more(asked)
            except LocatorExpired:
                break
            loop.check(asked, found.locator, _ids(found))
            left -= len(found.rows)
            yield from found.rows
        if left > 0:
            raise Unavailable(
                f"Salesforce did not return {left} of the rows it counted for a query", cure="try again later"
            )

    def by_ids(self, soql: str, column: str, ids: Iterable[str], *, is_all: bool = True) -> Iterator[Row]:
        """Yield the rows whose column is one of the ids; see ``by_values``."""
        yield from self.by_values(soql, column, map(checked_id, ids), is_all=is_all)

    def by_values(self, soql: str, column: str, values: Iterable[str], *, is_all: bool = True) -> Iterator[Row]:
        """Yield the rows whose column is one of the values.

        Args:
            soql: The query up to FROM and the object.
            values: Any number of short texts.
            is_all: As for ``query``.
        """
        wanted = [quoted(one) for one in values]
        per_query = IDS_PER_QUERY * 18 // max(map(len, wanted), default=18)
        for start in range(0, len(wanted), per_query):
            listed = ",".join(wanted[start : start + per_query])
            yield from self.everything(f"{soql} WHERE {column} IN ({listed})", is_all=is_all)

    def count(self, sobject: str, where: str, *, is_all: bool = True) -> int | None:
        """Return how many rows match; None if Salesforce times out."""
        soql = select(["COUNT()"], sobject)
        try:
            return self.query(f"{soql} WHERE {where}" if where else soql, is_all=is_all).total
        except Refused as error:
            if {"QUERY_TIMEOUT", "OPERATION_TOO_LARGE"} & set(_codes(error.data)):
                return None
            raise


def _ids(found: Found) -> Iterator[str]:
    """Yield keys of a page's rows, because not every query selects the id."""
    return (str(row.get("Id") or row) for row in found.rows)


def _found(data: Any) -> Found:
    if not isinstance(data, dict) or not isinstance(data.get("records"), list):
        raise Unavailable("Salesforce's response has no records", cure="try again later; check the connection's host")
    rows = data["records"]
    total = data.get("totalSize")
    is_last = data.get("done") is not False
    following = "" if is_last else _locator(data.get("nextRecordsUrl"))
    return Found(rows, total if isinstance(total, int) else len(rows), following)


def _locator(url: Any) -> str:
    """Return the locator in ``nextRecordsUrl``. The URL itself is never followed, because it might lead elsewhere."""
    match = _LOCATOR.search(str(url or "").split("?")[0])
    return match[1] if match else ""
