"""Render pages: their content or what prevents it. Everything printed is escaped and in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import jinja2
from markupsafe import Markup, escape
from sqlalchemy.exc import SQLAlchemyError

from include import config
from include.common import clock, formatting, texts
from include.common.errors import ConfigError, PerennialError
from include.common.texts import gettext
from include.common.words import word
from include.config.own_texts import translated
from include.config.viewers import Viewer
from include.warehouse.engine import readable


@dataclass(frozen=True)
class Shown:
    """The content of a page, or the problem that prevents it.

    Args:
        trouble: What the problem means for the page.
        status: The HTTP status.
    """

    viewer: Viewer
    seen: Any = None
    problem: PerennialError | None = None
    trouble: str = ""
    status: int = 200


@dataclass(frozen=True)
class Page:
    """A rendered page."""

    text: str
    status: int
    headers: dict[str, str]


def page(
    template: jinja2.Template, login: str, accepted: str, read: Callable[[Viewer], Any], refused: int, **more: Any
) -> Page:
    """Render a page for a login, in their language; in English if a file of translations is wrong.

    Args:
        accepted: The header ``Accept-Language``.
        refused: The status if the content is refused or does not exist.
        more: Further names of the template.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(texts.reading(language(login, accepted)))
        except ConfigError as error:
            shown = Shown(Viewer(role="operator"), None, error, gettext("This page cannot be shown."), 503)
        else:
            shown = _attempt(login, read, refused)
        return _rendered(template, shown, **more)


def _rendered(template: jinja2.Template, shown: Shown, **more: Any) -> Page:
    nonce = token_urlsafe(16)
    text = template.render(
        seen=shown.seen,
        problem=shown.problem,
        trouble=shown.trouble,
        viewer=shown.viewer,
        now=clock.now(),
        nonce=nonce,
        language=texts.language().replace("_", "-"),
        m=template.environment.get_template("macros.html").module,
        **more,
    )
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
            " base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
        ),
        "X-Content-Type-Options": "nosniff",
        # Without a referrer a browser sends its forms with the origin "null".
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return Page(text, shown.status, headers)


def language(login: str, accepted: str) -> str:
    """Return the language of a page: the login's, else the best of the browser's, else the default.

    Args:
        accepted: The header ``Accept-Language``.
    """
    try:
        settings = config.load()
        return settings.viewers.of(login).language or texts.negotiate(accepted) or settings.language
    except PerennialError:
        return texts.ENGLISH  # the page shows the problem


def _attempt(login: str, read: Callable[[Viewer], Any], refused: int) -> Shown:
    viewer, trouble = Viewer(role="operator"), gettext("This page cannot be shown.")
    try:
        viewer = config.load().viewers.of(login)
        return Shown(viewer, read(viewer))
    except SQLAlchemyError as error:
        return Shown(viewer, None, readable(error), gettext("The warehouse cannot be read."), 503)
    except ConfigError as error:
        return Shown(viewer, None, error, trouble, refused)
    except PerennialError as error:
        return Shown(viewer, None, error, trouble, 503)


def environment(folder: Path) -> jinja2.Environment:
    """Return the environment of a folder of templates."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=formatting.shown,
    )
    templates.globals.update(
        _=_text,
        ngettext=_plural,
        f=formatting,
        word=word,
        translated=translated,
        is_incomplete=texts.is_incomplete,
        incomplete_note=texts.incomplete_note,
    )
    return templates


def _text(message: str, /, **values: Any) -> Markup:
    """Return a text of a template in the reader's language, with its values escaped. Never for a text from data."""
    return Markup(texts.gettext(message)).format(**values)


def _plural(one: str, many: str, n: int, /, **values: Any) -> Markup:
    return Markup(texts.ngettext(one, many, n, **{name: escape(value) for name, value in values.items()}))
