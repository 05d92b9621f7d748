"""HubSpot's error responses."""

from __future__ import annotations

from typing import Any

from include.sandbox.http import Refusal, new_id


def error(status: int, message: str, category: str = "VALIDATION_ERROR", **more: Any) -> Refusal:
    """Return a refusal in HubSpot's usual format."""
    body = {"status": "error", "message": message, "correlationId": new_id(), "category": category, **more}
    return Refusal(status, body)


def not_found() -> Refusal:
    """Return the 404 of a missing record. Like the real one, it has no useful message."""
    return error(404, "resource not found", "OBJECT_NOT_FOUND")


def page_not_found() -> Refusal:
    """Return the 404 of an unknown path: an HTML page, not JSON."""
    return Refusal(404, "<html><head><title>Not Found</title></head><body><h1>Not Found</h1></body></html>",
                   {"X-HubSpot-NotFound": "true"})  # fmt: skip


def rate_limited(policy: str, seconds: float | None) -> Refusal:
    """Return a 429. The header with the waiting time is not always sent."""
    name = {"SECONDLY": "secondly", "TEN_SECONDLY_ROLLING": "ten_secondly_rolling", "DAILY": "daily"}[policy]
    body = {
        "status": "error",
        "message": f"You have reached your {name} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": new_id(),
        "policyName": policy,
        "requestId": new_id(),
    }
    return Refusal(429, body, {} if seconds is None else {"Retry-After": str(max(1, round(seconds)))})


def bad_json(message: str) -> Refusal:
    """Return the 400 of a body that cannot be parsed."""
    return error(400, f"Invalid input JSON on line 1, column 1: {message}")


def invalid_values(problems: list[dict[str, Any]]) -> Refusal:
    """Return the 400 of invalid property values."""
    import orjson

    return error(400, f"Property values were not valid: {orjson.dumps(problems).decode()}", errors=problems)
