"""Find all texts that people read, and keep the files of translations complete.

A text is found in Python by the calls ``gettext``, ``ngettext``, ``pgettext`` and ``N_``, in page and mail templates by
``_`` and ``ngettext``, and in the files of signals, playbooks, reports and metrics by its field.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast

from include.common import paths, texts
from include.common.errors import ConfigError
from include.config import files
from include.config.documents import read
from include.models import health, metrics, value

Id = str | tuple[str, str]
# File of translations -> the folders and files whose texts it has. A text that occurs in several is in the first.
DOMAINS: dict[str, tuple[str, ...]] = {
    "messages": (
        "include/common",
        "include/outbox",
        "include/scores",
        "include/decide",
        "include/deliver",
        "include/gate",
    ),
    "signals": ("include/defaults/config/signals",),
    "playbooks": ("include/defaults/playbooks", "include/defaults/config/touches"),
    "metrics": ("sql", "include/metrics"),
    "reports": (
        "include/reports",
        "include/charts",
        "include/defaults/reports",
        "include/defaults/config/customer_report.yaml",
    ),
    "pages": ("include/experiments", "include/pages", "plugins"),
    "notices": ("include/orchestration", "include/operations/incidents", "include/continuation", "include/ingest"),
}
_CALLS = {"gettext": 1, "N_": 1, "from_file": 1, "ngettext": 2, "pgettext": 2}
_TEMPLATES = ("*.html", "*.j2", "*.svg")
_LINE = 110
# Without dates: the same texts give the same file.
_HEADER = """msgid ""
msgstr ""
"Language: {}\\n"
"Plural-Forms: {}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


@cache
def found() -> dict[str, dict[tuple[str | None, Id], set[str]]]:
    """Return the shipped texts: file of translations -> context and text -> the files that use it."""
    made: dict[str, dict[tuple[str | None, Id], set[str]]] = {}
    seen: set[tuple[str | None, Id]] = set()
    for domain, folders in DOMAINS.items():
        here = made[domain] = {}
        for folder in folders:
            for path, context, message in _in(paths.ROOT / folder):
                if (context, message) not in seen:
                    here.setdefault((context, message), set()).add(path.relative_to(paths.ROOT).as_posix())
        seen |= here.keys()
    return made


def update(language: str, root: Path) -> dict[str, int]:
    """Write the files of a language with all texts: new ones empty, known ones kept, unused ones removed.

    Args:
        root: The folder of languages, such as ``$PERENNIAL_CONFIG_DIR/locales``.

    Returns:
        File -> the number of texts without a translation.

    Raises:
        ConfigError: A present file is not valid.
    """
    folder = root / language
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[tuple[str | None, Id], Any] = {}
    for path in sorted(folder.glob("*.po")):
        known |= {(one.context, _id(one.id)): one.string for one in texts.read(path, language) if one.id}
    missing = {}
    for domain, entries in found().items():
        catalog = Catalog(locale=language, project="Perennial", fuzzy=False)
        for (context, message), where in sorted(entries.items(), key=lambda one: (sorted(one[1]), str(one[0][1]))):
            catalog.add(
                message,
                known.get((context, message)),
                context=context,
                locations=[(one, 0) for one in sorted(where)],
            )
        content = io.BytesIO()
        write_po(content, catalog, width=_LINE, include_lineno=False, omit_header=True)
        (folder / f"{domain}.po").write_bytes(
            _HEADER.format(language, catalog.plural_forms).encode() + content.getvalue()
        )
        missing[domain] = sum(not known.get(key) or not all(_forms(known[key])) for key in entries)
    return missing


def state() -> list[dict[str, object]]:
    """Return each language with the number of texts, and of those that neither file nor overlay translates."""
    wanted = {key for entries in found().values() for key in entries}
    rows: list[dict[str, object]] = [{"language": texts.ENGLISH, "texts": len(wanted), "untranslated": 0}]
    for language in texts.languages()[1:]:
        paths_of = [path for root in texts.folders() for path in sorted((root / language).glob("*.po"))]
        known = {key for path in paths_of for key in translated(path, language)}
        rows.append({"language": language, "texts": len(wanted), "untranslated": len(wanted - known)})
    return rows


def translated(path: Path, language: str) -> dict[tuple[str | None, Id], tuple[str, ...]]:
    """Return the complete translations of a file: context and text -> its forms.

    Raises:
        ConfigError: The file is not valid.
    """
    catalog = texts.read(path, language)
    found = {(one.context, _id(one.id)): _forms(one.string) for one in catalog if one.id and not one.fuzzy}
    return {key: forms for key, forms in found.items() if all(forms)}


def _forms(text: Any) -> tuple[str, ...]:
    return tuple(one or "" for one in text) if isinstance(text, (tuple, list)) else (text or "",)


def _id(message: Any) -> Id:
    return tuple(message) if isinstance(message, (list, tuple)) else message


def _in(folder: Path) -> Iterator[tuple[Path, str | None, Id]]:
    if folder == paths.SQL:
        for metric in metrics.load().values():
            yield paths.ROOT / metric.place.partition(":")[0], None, metric.entry.title
        yield from ((folder, None, text) for text in _of_scores())
        return
    if folder.suffix == ".yaml":  # its features have texts
        for part in read(folder).data["features"].values():
            yield from ((folder, None, text) for text in of_file(part))
        return
    for path in sorted(folder.rglob("*.py")):
        yield from ((path, *one) for one in _in_python(path.read_text(encoding="utf-8")))
    for pattern in _TEMPLATES:
        for path in sorted(folder.rglob(pattern)):
            yield from ((path, *one) for one in _in_template(path.read_text(encoding="utf-8")))
    for path in sorted(folder.glob("*.yaml")):
        yield from ((path, None, text) for text in of_file(read(path).data))


def _of_scores() -> Iterator[str]:
    """Yield the texts of the measures, ceilings and dimensions of scores."""
    for profile in health.load().profiles:
        for measure in profile.measures:
            yield from (measure.title, measure.evidence)
        yield from (ceiling.evidence for ceiling in profile.ceilings)
    for version in value.load().versions:
        for dimension in version.dimensions:
            yield from (dimension.title, dimension.evidence)


def _in_python(source: str) -> Iterator[tuple[str | None, Id]]:
    if not any(f"{name}(" in source for name in (*_CALLS, "_columns")):
        return
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda one: one.lineno):
        if node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "_columns":  # titles, or pairs of title and kind
                parts = [one.elts[0] if isinstance(one, ast.Tuple) else one for one in node.args]
                yield from ((None, text) for one in parts for text in _constants(one))
            elif name in _CALLS:
                yield from _ids(name, [_constants(one) for one in node.args[: _CALLS[name]]])


def _constants(node: ast.expr) -> list[str]:
    """Return the texts of an argument: one, or those of both branches of a condition."""
    if isinstance(node, ast.IfExp):
        return _constants(node.body) + _constants(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _ids(name: str, arguments: list[list[str]]) -> Iterator[tuple[str | None, Id]]:
    if name == "ngettext" and all(arguments):
        yield None, (arguments[0][0], arguments[1][0])
    elif name == "pgettext" and all(arguments):
        yield from ((arguments[0][0], text) for text in arguments[1])
    elif name not in ("ngettext", "pgettext"):
        yield from ((None, text) for text in arguments[0])


def _in_template(source: str) -> Iterator[tuple[str | None, Id]]:
    tree = Environment(autoescape=True).parse(source)
    for _, name, message in extract_from_ast(tree, ("_", "ngettext", "pgettext")):
        parts = [message] if isinstance(message, str) else [one for one in message or () if isinstance(one, str)]
        if name == "_" and parts:
            yield None, parts[0]
        elif name == "ngettext":
            yield None, (parts[0], parts[1])
        elif name == "pgettext":
            yield parts[0], parts[1]


def of_file(data: Any) -> Iterator[str]:
    """Yield the texts of the file of a signal, playbook or report."""
    for key in ("title", "why", "subject", "text", "body"):
        if isinstance(data.get(key), str) and data[key].strip():
            yield data[key].strip()  # as the settings models read it
    for key in ("evidence", "next_steps", "outcome"):
        yield from (text.strip() for text in data.get(key) or ())
    for key in ("steps", "sections"):
        for part in data.get(key) or ():
            yield from of_file(part)


def overlay() -> Path:
    """Return the overlay's folder of translations.

    Raises:
        ConfigError: ``PERENNIAL_CONFIG_DIR`` names no folder.
    """
    above = files.overlay()
    if above is None:
        raise ConfigError("no folder for your translations", cure=f"set {files.OVERLAY_VARIABLE} to your folder")
    return above / "locales"
