"""Zendesk's rate policy, and its endpoints as functions.

Links in responses name another host and are never followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from requests.auth import AuthBase, HTTPBasicAuth

from include.common.connections import Connection
from include.common.errors import Unavailable
from include.connectors.casting import time_or_none
from include.connectors.support.zendesk.resources import API, EXPORT_PAGE, LIST_PAGE, SHOW_MANY
from include.http import body
from include.http.auth import Bearer
from include.http.client import Client, RatePolicy, Refused, TooSlow
from include.http.limiter import Limit, for_account
from include.http.loops import Loops

Row = dict[str, Any]

# All exports share one small rate limit, whatever the plan's other limits.
_LIMITS = {"ordinary": Limit(200, 60.0), "export": Limit(10, 60.0)}
_EXPORT_HEADER = "zendesk-ratelimit-incremental-exports"


def _learn(kind: str, headers: Mapping[str, str]) -> dict[str, Limit]:
    limits = {}
    if headers.get("x-rate-limit", "").isdigit():
        limits["ordinary"] = Limit(int(headers["x-rate-limit"]), 60.0)
    total = re.search(r"total=(\d+)", headers.get(_EXPORT_HEADER, ""))
    if total:
        limits["export"] = Limit(int(total[1]), 60.0)
    return limits


def _explain(data: Any) -> str:
    """Return the error message. Zendesk has three error formats."""
    if not isinstance(data, dict):
        return ""
    if isinstance(data.get("errors"), list):
        return "; ".join(str(error.get("detail") or error.get("title")) for error in data["errors"])
    error = data.get("error", "")
    if isinstance(error, dict):
        return f"{error.get('title', '')}: {error.get('message', '')}"
    return ", ".join(str(part) for part in (error, data.get("description")) if part)


RATE_POLICY = RatePolicy("Zendesk", _learn, explain=_explain)


def client(connection: Connection, allowed_plain_http_hosts: tuple[str, ...]) -> Client:
    """Return a client for one Zendesk account.

    With a login, the password is an API token and the login its user's email address. Otherwise it is an OAuth token.

    Raises:
        ConfigError: The connection lacks a host or a token.
    """
    base_url, token = connection.base_url(allowed_plain_http_hosts), connection.secret()
    login = connection.login
    auth: AuthBase = Bearer(token)
    if login:
        auth = HTTPBasicAuth(login if login.endswith("/token") else f"{login}/token", token)
    limiter = for_account("zendesk", base_url, limits=_LIMITS)
    return Client(base_url, auth, limiter, RATE_POLICY, (token,), connection.id)


@dataclass
class ZendeskApi:
    """The endpoints used for reading."""

    client: Client
    _per_page: int = field(default=EXPORT_PAGE, init=False)
    _loops: Loops = field(default_factory=Loops, init=False, repr=False)

    def export_by_cursor(self, name: str, cursor: str | None, start: int, include: str | None) -> Row:
        """Return one page of a cursor export: after the cursor, or from a start time if there is no cursor.

        Its rows are not decoded; see ``body.row``.
        """
        place = {"cursor": cursor} if cursor else {"start_time": start}
        path = f"{API}/incremental/{name}/cursor"
        return _with_metrics(self._export(path, name, place | {"include": include}, _page_parser(name)), name)

    def export_by_time(self, name: str, start: int, include: str | None = None) -> Row:
        """Return one page of a time export, from a second on, inclusive."""
        path = f"{API}/incremental/{name}"
        data = self._export(path, name, {"start_time": start, "include": include})
        following = data.get("end_time")
        if following != start:
            self._loops.check(f"Zendesk's export {path}", start, following, (row.get("id") for row in data[name]))
        return data

    def list_page(self, name: str, after: str | None, **more: Any) -> tuple[list[Row], str | None]:
        """Return one page of a cursor-based list, and the cursor of the next one."""
        data = self.client.get(f"{API}/{name}", {"page[size]": LIST_PAGE, "page[after]": after, **more}).data
        meta = _with_metrics(_checked(data, name), name).get("meta") or {}
        known = [str(row.get("id")) for row in data[name]]
        following = meta.get("after_cursor") if meta.get("has_more") else None
        self._loops.check(f"Zendesk's list {API}/{name}", after, following, known)
        if not meta.get("has_more"):
            return data[name], None
        if not meta.get("after_cursor"):
            raise Unavailable(f"Zendesk's list of {name} has more pages, but no cursor", cure="try again later")
        return data[name], str(meta["after_cursor"])

    def recent_tickets(self, after: str | None, since: int, include: str | None) -> tuple[list[Row], str | None]:
        """Return one page of the most recently changed tickets, newest first, and the cursor of the next one.

        There is no next cursor once a page reaches back to ``since``, in seconds since the epoch.
        """
        rows, following = self.list_page("tickets", after, sort="-updated_at", include=include)
        oldest = time_or_none(rows[-1].get("updated_at")) if rows else None
        return rows, following if oldest and oldest.timestamp() >= since else None

    def count(self, name: str) -> tuple[int, datetime | None]:
        """Return how many records there are, and when they were counted."""
        found = _count_in(self.client.get(f"{API}/{name}/count").data)
        if isinstance(found, dict):
            return int(found["value"]), time_or_none(found.get("refreshed_at"))
        return int(found), None

    def count_matches(self, query: str) -> int:
        """Return how many records a search finds, including archived ones."""
        return int(_count_in(self.client.get(f"{API}/search/count", {"query": query}).data))

    def survivor(self, organization: str) -> str | None:
        """Return the organisation that a deleted one was merged into; None if it was not merged."""
        path = f"{API}/organizations/{organization}/merges"
        try:
            data = self.client.get(path, {"page[size]": LIST_PAGE}).data
        except Refused as error:
            if error.status == 404:
                return None
            raise
        merges = _checked(data, "organization_merges")["organization_merges"]
        done = (one for one in merges if one.get("status") == "complete" and str(one.get("loser_id")) == organization)
        return next((str(one["winner_id"]) for one in done), None)

    def show_many(self, name: str, ids: Sequence[str]) -> list[Row]:
        """Return the records with these ids, without deleted ones."""
        rows: list[Row] = []
        for start in range(0, len(ids), SHOW_MANY):
            params = {"ids": ",".join(ids[start : start + SHOW_MANY])}
            rows += _checked(self.client.get(f"{API}/{name}/show_many", params).data, name)[name]
        return rows

    def _export(self, path: str, name: str, params: Row, parse: Callable[[bytes], Any] | None = None) -> Row:
        """Request a page, and smaller ones while the vendor times out."""
        while True:
            asked = params | {"per_page": self._per_page}
            try:
                data = self.client.get(path, asked, kind="export", is_divisible=self._per_page > 1, parse=parse).data
            except TooSlow:
                self._per_page = max(1, self._per_page // 2)
                continue
            self._per_page = min(EXPORT_PAGE, self._per_page * 2)
            return _checked(data, name) | {"asked": asked["per_page"]}


@cache
def _page_parser(name: str) -> Callable[[bytes], Any]:
    return body.page_parser(name, ("after_cursor", "end_of_stream", "metric_sets"))


def _with_metrics(data: Row, name: str) -> Row:
    """Put side-loaded metrics into their tickets.

    They come inside the ticket or, on most endpoints, as a separate list.
    """
    metrics = {one.get("ticket_id"): one for one in data.get("metric_sets") or []}
    if not metrics:
        return data
    data[name] = [body.row(row) for row in data[name]]
    for row in data[name]:
        if row["id"] in metrics:
            row["metric_set"] = metrics[row["id"]]
    return data


def _count_in(data: Any) -> Any:
    try:
        return data["count"]
    except (KeyError, TypeError):
        raise Unavailable("Zendesk's response has no count", cure="try again later") from None


def _checked(data: Any, name: str) -> Row:
    if not isinstance(data, dict) or not isinstance(data.get(name), list):
        raise Unavailable(f"Zendesk's response has no {name}", cure="try again later; check the connection's host")
    return data
