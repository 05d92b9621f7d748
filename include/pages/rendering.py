"""The templates of the pages: everything that is printed is escaped and in the reader's language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from include.common import formatting, texts
from include.common.words import word
from include.config.own_texts import translated


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
