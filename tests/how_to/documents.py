"""The commands of the documents, as a reader finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "include/sandbox/README.md")),
    *(path for room in ("how-to", "runbooks", "reference") for path in sorted((ROOT / "docs" / room).glob("*.md"))),
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:\./perennial|python -m include\.cli) [^`]+)`")
_COMMAND = re.compile(r"^(?:\./perennial|python -m include\.cli)(?: |$)")


@dataclass(frozen=True)
class Command:
    """One call of the command line.

    Args:
        document: Where it is written.
        text: What stands there, without its comment.
    """

    document: Path
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}: {self.text}"


def blocks(document: Path, wanted: str = "sh") -> list[str]:
    """Return the blocks of a document that are of one kind, shell commands if none is named, in their order."""
    return [text for kind, text in _BLOCK.findall(document.read_text()) if kind == wanted]


def commands() -> Iterator[Command]:
    """Yield every call of the command line in all documents, in blocks and in sentences."""
    for document in DOCUMENTS:
        text = document.read_text()
        for _, block in _BLOCK.findall(text):
            for line in block.splitlines():
                if _COMMAND.match(line.strip()):
                    yield Command(document, re.sub(r"\s+#.*$", "", line.strip()))
        for found in _INLINE.findall(_BLOCK.sub("", text)):
            yield Command(document, " ".join(found.split()))
