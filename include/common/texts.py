"""The texts that people read, in the reader's language.

The English text stands in the code, the template or the rule file. It is the key (`msgid`) of its translations in
``include/defaults/locales/<language>/*.po``; files in ``$PERENNIAL_CONFIG_DIR/locales/<language>/`` override them.
Whoever renders for a person does it within ``reading(language)``. A text without a translation is shown in English,
and ``is_incomplete`` tells the renderer to say so.

Logs, errors and commands are English, so outside ``reading`` every text is.
"""

from __future__ import annotations

import gettext as standard
import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from include.common import paths
from include.common.errors import ConfigError

ENGLISH = "en"
_JINJA = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_NO_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|\|\s*\w+")  # strings and filters
_MANY_FORMS = re.compile(rb"nplurals\s{0,9}=\s{0,9}\d\d")
_FORMS_CHECKED = 1000
_WORDS = frozenset(["if", "elif", "else", "endif", "or", "and", "not", "is", "in", "none", "true", "false"])


class _English(standard.NullTranslations):
    """The end of each chain of translations: returns the English text, and remembers that one was missing."""

    def __init__(self, is_translation: bool = True) -> None:
        super().__init__()
        self._is_translation = is_translation

    def gettext(self, message: str) -> str:
        _note_missing(self._is_translation)
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        _note_missing(self._is_translation)
        return msgid1 if n == 1 else msgid2

    def pgettext(self, context: str, message: str) -> str:
        return self.gettext(message)


@dataclass
class _Reading:
    language: str
    translations: standard.NullTranslations
    is_incomplete: bool = False


_now: ContextVar[_Reading | None] = ContextVar("reading", default=None)
# Language and overlay -> when its files were last checked for changes, and their content. A decision writes thousands
# of messages.
_checked: dict[tuple[str, str], tuple[float, standard.NullTranslations]] = {}
_CHECKED_SECONDS = 1.0
_PLAIN = _Reading(ENGLISH, _English(is_translation=False))


def _note_missing(is_translation: bool) -> None:
    if is_translation and (now := _now.get()):
        now.is_incomplete = True


def folders() -> list[Path]:
    """Return the folders of translations: the shipped one, then the overlay's."""
    named = os.environ.get("PERENNIAL_CONFIG_DIR")
    return [paths.LOCALES, *([Path(named).expanduser().resolve() / "locales"] if named else [])]


def languages() -> list[str]:
    """Return the languages that exist, English first."""
    found = {file.parent.name for root in folders() for file in root.glob("*/*.po")}
    return [ENGLISH, *sorted(found - {ENGLISH})]


@contextmanager
def reading(language: str) -> Iterator[None]:
    """Write texts, numbers and dates for a reader of this language.

    Raises:
        ConfigError: A file of translations is wrong.
    """
    token = _now.set(_Reading(language or ENGLISH, _translations(language or ENGLISH)))
    try:
        yield
    finally:
        _now.reset(token)


def language() -> str:
    """Return the reader's language, such as ``zh_CN``."""
    return (_now.get() or _PLAIN).language


def locale() -> Locale:
    return _locale(language())


def is_incomplete() -> bool:
    """Return whether a text of the current ``reading`` is missing in its language."""
    return (_now.get() or _PLAIN).is_incomplete


def negotiate(accepted: str) -> str:
    """Return the best existing language for a browser's ``Accept-Language``; "" if there is none."""
    wanted: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        name, _, weight = part.strip().partition(";q=")
        try:
            wanted.append((-float(weight or 1), name.strip().replace("-", "_")))
        except ValueError:
            continue
    known = languages()
    for _, name in sorted(wanted, key=lambda one: one[0]):
        for one in known:
            if name.lower() == one.lower():
                return one
        for one in known:
            if name and name.lower().partition("_")[0] == one.lower().partition("_")[0]:
                return one
    return ""


def named(language: str | None) -> str:
    """Return the language of a CRM's code such as ``zh-CN``, or name such as Chinese; "" if it has no texts."""
    wanted = (language or "").strip().casefold()
    for one in languages() if wanted else ():
        full, short = _locale(one), Locale(_locale(one).language)
        if wanted in {
            str(name).casefold() for each in (full, short) for name in (each.english_name, each.display_name)
        }:
            return one
    return negotiate(wanted)


def gettext(message: str, /, **values: Any) -> str:
    """Return a text in the reader's language, with values in place of ``{name}``."""
    text = (_now.get() or _PLAIN).translations.gettext(message)
    return text.format(**values) if values else text


def pgettext(context: str, message: str, /, **values: Any) -> str:
    """Return a text whose translation depends on where it stands, such as a column's title."""
    text = (_now.get() or _PLAIN).translations.pgettext(context, message)
    return text.format(**values) if values else text


def ngettext(one: str, many: str, n: float, /, **values: Any) -> str:
    """Return the form of a text that a number needs. ``{n}`` is the number."""
    text = (_now.get() or _PLAIN).translations.ngettext(one, many, int(n))
    return text.format(n=format_decimal(n, locale=locale()), **values)


def incomplete_note() -> str:
    """Return the sentence that says that some texts are English."""
    return gettext("Some texts are not translated yet and are shown in English.")


def space() -> str:
    """Return what separates two sentences: nothing in Chinese and Japanese, whose full stop is a full-width sign."""
    return "" if language().startswith(("zh", "ja")) else " "


def N_(message: str) -> str:
    """Mark a text of a constant as to be translated. ``gettext`` translates it where it is shown."""
    return message


def from_file(message: str) -> str:
    """Return a text of a rule, report or metric in the reader's language, with its Jinja tags."""
    return (_now.get() or _PLAIN).translations.gettext(message) if message.strip() else message


@lru_cache(maxsize=32)
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        cure = "name the folder of translations after a language, such as fr or pt_BR"
        raise ConfigError(f"{name} is not a known language", cure=cure) from None


def _translations(name: str) -> standard.NullTranslations:
    """Return a language's translations. Their files are checked for changes at most once a second."""
    key, now = (name, os.environ.get("PERENNIAL_CONFIG_DIR", "")), time.monotonic()
    checked_at, found = _checked.get(key, (-_CHECKED_SECONDS, _PLAIN.translations))
    if now - checked_at >= _CHECKED_SECONDS:
        files = [path for root in folders() for path in sorted((root / name).glob("*.po"))]
        found = _PLAIN.translations
        if files or name != ENGLISH:
            found = _loaded(name, tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in files))
        _checked[key] = now, found
    return found


@lru_cache(maxsize=16)
def _loaded(name: str, files: tuple[tuple[Path, int, int], ...]) -> standard.NullTranslations:
    chain: standard.NullTranslations = _English(is_translation=name != ENGLISH)
    for path, *_ in files:
        compiled = io.BytesIO()
        write_mo(compiled, read(path, name))
        compiled.seek(0)
        later = standard.GNUTranslations(compiled)
        later.add_fallback(chain)
        chain = later
    return chain


def read(path: Path, name: str) -> Catalog:
    """Read and check a file of translations.

    Raises:
        ConfigError: The file is not valid, or a translation has other placeholders than its text. The message names
            file and line.
    """
    _locale(name)
    try:
        content = path.read_bytes()
        if _MANY_FORMS.search(content):
            raise ValueError("no language has so many plural forms")
        catalog = read_po(io.BytesIO(content), locale=name, abort_invalid=True)
        catalog.charset = "utf-8"  # not every charset that can be read can be written
        form_of = standard.c2py(catalog.plural_expr)
        if any(form_of(n) >= catalog.num_plurals for n in range(_FORMS_CHECKED)):
            raise ValueError(f"the plural {catalog.plural_expr} gives more than {catalog.num_plurals} forms")
    # The header alone can raise all of these: by its charset, its dates, its language and its plural.
    except (OSError, ValueError, LookupError, ArithmeticError, PoFileError) as error:
        raise ConfigError(f"{path}: not a valid file of translations: {error}", cure="correct the file") from None
    for message in catalog:
        if message.id and not message.fuzzy and (problem := problem_of(message)):
            raise ConfigError(f"{path}:{message.lineno}: {problem}", cure="correct the translation")
    return catalog


def problem_of(message: Any) -> str:
    """Return what is wrong with a translation of a catalogue; "" for nothing, or while it is missing."""
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    ids = message.id if isinstance(message.id, tuple) else (message.id,)
    wanted = [placeholders(one) for one in ids]
    for text in filter(None, texts):
        try:
            found = placeholders(text)
        except ValueError as error:
            return f"{text[:60]!r} is not a valid text: {error}"
        # The singular of a language may leave out the number.
        if found not in wanted and not (len(ids) > 1 and found | {"n"} in wanted):
            return f"{text[:60]!r} has the placeholders {sorted(found)}, the text has {sorted(wanted[-1])}"
    return ""


def placeholders(text: str) -> frozenset[str]:
    """Return the placeholders of a text: what its braces contain, or the names that its Jinja tags use.

    Raises:
        ValueError: The braces do not match.
    """
    if tags := _JINJA.findall(text):
        code = _NO_NAMES.sub(" ", " ".join(tags))
        return frozenset(re.findall(r"[a-z_]\w*", code)) - _WORDS
    # With conversion and format: these can fail for a value, or ask for a text of any length.
    parts = [part for part in Formatter().parse(text) if part[1] is not None]
    return frozenset(
        str(name) + (f"!{how}" if how else "") + (f":{form}" if form else "") for _, name, form, how in parts
    )
