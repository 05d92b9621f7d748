"""A message as the two bodies of a mail: HTML and plain text."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from include.common.text import unlinked
from include.outbox.message import Message

MAX_SUBJECT = 200
MAX_EVIDENCE = 60


class _Link(str):
    """An address of ours, which stays one."""

    __slots__ = ()


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=lambda name: bool(name and name.endswith(".html.j2")),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # Values from a CRM: only the message's own links may be clicked on, and these are marked in the templates.
    finalize=lambda value: unlinked(value) if type(value) is str else value,
)
_environment.filters["link"] = lambda url: _Link(url)


def subject(message: Message) -> str:
    """Return the subject line."""
    text = unlinked(message.subject)
    return text if len(text) <= MAX_SUBJECT else text[: MAX_SUBJECT - 1] + "…"


def html(message: Message) -> str:
    """Return the HTML body; every value is escaped."""
    return _render("message.html.j2", message)


def text(message: Message) -> str:
    """Return the plain text body."""
    return _render("message.txt.j2", message)


def _render(template: str, message: Message) -> str:
    return _environment.get_template(template).render(
        message=message,
        evidence=message.evidence[:MAX_EVIDENCE],
        n_more=max(0, len(message.evidence) - MAX_EVIDENCE),
    )
