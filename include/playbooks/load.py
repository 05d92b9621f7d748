"""Reads the playbooks in force: those shipped in this folder, overlaid by ``$PERENNIAL_CONFIG_DIR/playbooks``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from include.config import documents, expression, files
from include.config.expression import Condition
from include.playbooks import templates
from include.playbooks.schema import Playbook
from include.renewals.checkpoint import COLUMNS


@dataclass(frozen=True)
class Loaded:
    """A playbook that was read and checked.

    Args:
        playbook: What the file says.
        trigger: Its trigger, checked.
        exit: Its exit condition, checked.
        path: The file.
    """

    playbook: Playbook
    trigger: Condition
    exit: Condition
    path: Path


def load() -> dict[str, Loaded]:
    """Return the playbooks in force by name; those with ``disabled: true`` are left out.

    Raises:
        ConfigError: One is wrong; names file, line and key.
    """
    found: dict[str, Loaded] = {}
    for name, path in files.listing("playbooks", "*.yaml").items():
        document = documents.read(path)
        if not document.is_disabled:
            found[Path(name).stem] = _check(document, len(found))
    return found


def listing() -> list[dict[str, object]]:
    """Return one row for each playbook in force."""
    return [
        {
            "name": name,
            "version": loaded.playbook.version,
            "status": loaded.playbook.status,
            "steps": len(loaded.playbook.steps),
            "title": loaded.playbook.title,
            "why": loaded.playbook.why,
            "trigger": loaded.playbook.trigger,
            "file": files.shown(loaded.path),
        }
        for name, loaded in load().items()
    ]


def _check(document: documents.Document, number: int) -> Loaded:
    playbook = documents.validate(document, Playbook)
    if playbook.name != document.path.stem:
        raise document.error(("name",), f"is {playbook.name!r}, but the file is called {document.path.name}")
    seen: set[str] = set()
    for index, step in enumerate(playbook.steps):
        if step.id in seen:
            raise document.error(("steps", index, "id"), f"{step.id!r} is already the id of an earlier step")
        seen.add(step.id)
        for key in ("subject", "body"):
            document.check(("steps", index, key), templates.check, getattr(step, key))
    trigger = document.check(("trigger",), expression.on_built, playbook.trigger, COLUMNS, f"t{number}_")
    ends = document.check(("exit",), expression.on_built, playbook.exit, COLUMNS, f"e{number}_")
    return Loaded(playbook, trigger, ends, document.path)
