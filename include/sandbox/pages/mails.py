"""Decode mails for display: headers, text and HTML."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from include.sandbox.http import iso_ms


def shown(mail: dict[str, Any]) -> dict[str, Any]:
    """Return a stored mail with its headers and bodies decoded."""
    message = message_from_bytes(mail["body"], policy=policy.default)
    assert isinstance(message, EmailMessage)
    return {
        "seq": mail["seq"],
        "at": iso_ms(mail["at"]),
        "envelope_from": mail["sender"],
        "envelope_to": mail["recipients"],
        "from": str(message["From"] or ""),
        "to": str(message["To"] or ""),
        "subject": str(message["Subject"] or ""),
        "message_id": str(message["Message-ID"] or "").strip(),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
    }


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeDecodeError):
        return part.get_payload(decode=True).decode("utf-8", "replace")  # type: ignore[union-attr]
