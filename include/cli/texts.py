"""The command ``texts``: the languages of messages, tasks, pages and reports."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output
from include.common import paths
from include.config import files

app = typer.Typer(help="Texts in other languages than English.", no_args_is_help=True)


@app.command("list")
def list_languages() -> None:
    """List the languages, with the number of texts and of those without a translation."""
    from include.operations import translations

    output.emit(translations.state(), ("language", "texts", "untranslated"))


@app.command("update")
def update(
    language: Annotated[str, typer.Argument(help="A language, such as fr or pt_BR.")],
    shipped: Annotated[bool, typer.Option("--shipped", help="Write the files in include/defaults instead.")] = False,
) -> None:
    """Write all texts into PERENNIAL_CONFIG_DIR/locales/LANGUAGE: new ones empty, translated ones kept."""
    from include.operations import translations

    root = paths.LOCALES if shipped else translations.overlay()
    missing = translations.update(language, root)
    rows = [
        {"file": files.shown(root / language / f"{name}.po"), "untranslated": number}
        for name, number in missing.items()
    ]
    output.emit(rows, ("file", "untranslated"))
