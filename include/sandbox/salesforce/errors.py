"""Salesforce's error responses: a list of messages with codes."""

from __future__ import annotations

from include.sandbox.http import Refusal


def error(status: int, code: str, message: str, fields: list[str] | None = None) -> Refusal:
    body: dict[str, object] = {"message": message, "errorCode": code}
    if fields is not None:
        body["fields"] = fields
    return Refusal(status, [body])


def expired_session() -> Refusal:
    """Return the 401 of an expired or unknown session."""
    return error(401, "INVALID_SESSION_ID", "Session expired or invalid")


def not_found(message: str = "The requested resource does not exist") -> Refusal:
    return error(404, "NOT_FOUND", message)


def malformed(message: str) -> Refusal:
    """Return the 400 of a query that cannot be parsed."""
    return error(400, "MALFORMED_QUERY", message)
