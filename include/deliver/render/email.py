"""Render a message as HTML and plain text for e-mail."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from include.common import texts
from include.common.text import harmless
from include.outbox.message import Message

MAX_SUBJECT = 200
MAX_EVIDENCE = 60


class _Link(str):
    """A URL of ours, which stays clickable."""

    __slots__ = ()


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=lambda name: bool(name and name.endswith(".html.j2")),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # Values may come from a CRM, so only the message's own links stay clickable. The templates mark these.
    finalize=lambda value: harmless(value) if type(value) is str else value,
)
_environment.globals.update(_=texts.gettext, ngettext=texts.ngettext)
_environment.filters["link"] = lambda url: _Link(url)


def subject(message: Message) -> str:
    text = harmless(message.subject)
    return text if len(text) <= MAX_SUBJECT else text[: MAX_SUBJECT - 1] + "…"


def html(message: Message) -> str:
    """Return the HTML body. Every value is escaped."""
    return _render("message.html.j2", message)


def text(message: Message) -> str:
    return _render("message.txt.j2", message)


def _render(template: str, message: Message) -> str:
    with texts.reading(message.language):
        return _environment.get_template(template).render(
            message=message,
            evidence=message.evidence[:MAX_EVIDENCE],
            n_more=max(0, len(message.evidence) - MAX_EVIDENCE),
        )
