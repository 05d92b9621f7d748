"""The org's ways of saying no: a list of messages with codes."""

from __future__ import annotations

from include.sandbox.http import Refusal


def error(status: int, code: str, message: str, fields: list[str] | None = None) -> Refusal:
    """Return a refusal."""
    body: dict[str, object] = {"message": message, "errorCode": code}
    if fields is not None:
        body["fields"] = fields
    return Refusal(status, [body])


def expired_session() -> Refusal:
    """Return the 401 of a session that has ended or never was."""
    return error(401, "INVALID_SESSION_ID", "Session expired or invalid")


def not_found(message: str = "The requested resource does not exist") -> Refusal:
    """Return a 404."""
    return error(404, "NOT_FOUND", message)


def malformed(message: str) -> Refusal:
    """Return the 400 of a query that cannot be read."""
    return error(400, "MALFORMED_QUERY", message)
