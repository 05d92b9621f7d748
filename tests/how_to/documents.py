"""Extract the commands from the documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from include.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "include/sandbox/README.md")),
    *(path for room in ("how-to", "runbooks", "reference") for path in sorted((ROOT / "docs" / room).glob("*.md"))),
)
# Files with texts that are shown to users.
TEXTS = tuple(
    path
    for room in ("include", "dags", "plugins")
    for kind in ("*.py", "*.yaml", "*.j2", "*.html")
    for path in sorted((ROOT / room).rglob(kind))
)
# Built once, since every documented command is looked up in it.
PROGRAM: Any = typer.main.get_command(app)
NAMES = frozenset(PROGRAM.commands)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"^(?:\./perennial|python -m include\.cli)(?: |$)")


@dataclass(frozen=True)
class Command:
    """One call of the command line.

    Args:
        document: The document.
        text: The command, without its comment.
    """

    document: Path
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}: {self.text}"


def blocks(document: Path, wanted: str = "sh") -> list[str]:
    """Return a document's code blocks of one language (shell by default), in order."""
    return [text for kind, text in _BLOCK.findall(document.read_text()) if kind == wanted]


def commands() -> Iterator[Command]:
    """Yield every command line in all documents, in blocks and in sentences."""
    for document in DOCUMENTS:
        text = document.read_text()
        for _, block in _BLOCK.findall(text):
            for line in block.splitlines():
                if _COMMAND.match(line.strip()):
                    yield Command(document, re.sub(r"\s+#.*$", "", line.strip()))
        yield from _inline(document, _BLOCK.sub("", text))
    for path in TEXTS:
        for text in literals(path) if path.suffix == ".py" else [path.read_text()]:
            yield from _inline(path, text)


def _inline(path: Path, text: str) -> Iterator[Command]:
    """Yield the commands in a text, including those without the program's name: `batch drop ID`."""
    for found in _INLINE.findall(text):
        words = found.split()
        if _COMMAND.match(" ".join(words)) or (len(words) > 1 and words[0] in NAMES):
            yield Command(path, " ".join(words))


def literals(path: Path) -> Iterator[str]:
    """Yield the string literals of a program. Placeholders become 1."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
