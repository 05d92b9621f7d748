"""Reads the playbooks in force: those shipped in this folder, overlaid by ``$PERENNIAL_CONFIG_DIR/playbooks``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.common.errors import ConfigError
from include.config import documents, expression, files
from include.config.expression import Condition
from include.decide.playbooks.schema import Playbook
from include.decide.rules import forbidden_phrases, templates
from include.decide.rules.subjects import Table, table
from include.decide.signals.load import load as load_signals


@dataclass(frozen=True)
class Loaded:
    """A playbook that was read and checked.

    Args:
        playbook: What the file says.
        about: What it is about: renewal, account, contact or former.
        table: The table of that.
        starts: Its trigger's condition; None for none.
        ends: Its exit's condition; None for none.
        only_if: Step -> its condition, for the steps that have one.
        path: The file.
        content: What the file says, as it is kept for those that run.
    """

    playbook: Playbook
    about: str
    table: Table
    starts: Condition | None
    ends: Condition | None
    only_if: Mapping[str, Condition]
    path: Path
    content: dict[str, Any]


def load() -> dict[str, Loaded]:
    """Return the playbooks in force by name; those with ``disabled: true`` are left out.

    Raises:
        ConfigError: One is wrong; names file, line and key.
    """
    abouts = {name: loaded.signal.about for name, loaded in load_signals().items()}
    found: dict[str, Loaded] = {}
    for name, path in files.listing("playbooks", "*.yaml").items():
        document = documents.read(path)
        if not document.is_disabled:
            found[Path(name).stem] = _check(document, abouts)
    return found


def revive(name: str, content: dict[str, Any]) -> Loaded:
    """Return a playbook as it was when something began with it.

    Args:
        name: The playbook.
        content: What its file said.

    Raises:
        ConfigError: It no longer fits, as when a column that it names is gone.
    """
    path = Path(f"{name}.yaml")
    try:
        return _check(documents.Document(path, content, {}), {}, content.get("about"))
    except ConfigError as error:
        raise ConfigError(
            f"{name} {content.get('version')}, with which something runs, no longer fits: {error.message}",
            cure="set the columns back, or let what runs end: close its tasks in the CRM",
        ) from None


def listing() -> list[dict[str, object]]:
    """Return one row for each playbook in force."""
    return [
        {
            "name": name,
            "version": loaded.playbook.version,
            "status": loaded.playbook.status,
            "about": loaded.about,
            "starts": _spoken(loaded.playbook),
            "tiers": ",".join(loaded.playbook.audience.tiers) or "all",
            "steps": len(loaded.playbook.steps),
            "title": loaded.playbook.title,
            "why": loaded.playbook.why,
            "hold_out": loaded.playbook.hold_out,
            "file": files.shown(loaded.path),
        }
        for name, loaded in load().items()
    ]


def _spoken(playbook: Playbook) -> str:
    trigger = playbook.trigger
    return f"{trigger.rung} days before" if trigger.rung else "|".join(trigger.signals)


def _check(document: documents.Document, abouts: Mapping[str, str], about: str | None = None) -> Loaded:
    given = {key: value for key, value in document.data.items() if key != "about"}
    playbook = documents.validate(documents.Document(document.path, given, document.lines), Playbook)
    if playbook.name != document.path.stem:
        raise document.error(("name",), f"is {playbook.name!r}, but the file is called {document.path.name}")
    if about is None:  # what runs already was checked when it began
        for number, step in enumerate(playbook.steps):
            for key in ("subject", "body"):
                document.check(("steps", number, key), forbidden_phrases.check, getattr(step, key))
    about = about or _about(document, playbook, abouts)
    subject = table(about)
    _check_steps(document, playbook, subject)

    def condition(place: documents.Place, text: str, prefix: str) -> Condition | None:
        return document.check(place, expression.on_built, text, subject.columns, prefix) if text else None

    only_if = {
        step.id: compiled
        for number, step in enumerate(playbook.steps)
        if (compiled := condition(("steps", number, "only_if"), step.only_if, f"s{number}_"))
    }
    return Loaded(
        playbook,
        about,
        subject,
        condition(("trigger", "when"), playbook.trigger.when, "t_"),
        condition(("exit", "when"), playbook.exit.when, "e_"),
        only_if,
        document.path,
        {**given, "about": about},
    )


def _about(document: documents.Document, playbook: Playbook, abouts: Mapping[str, str]) -> str:
    if playbook.trigger.rung is not None:
        return "renewal"
    for number, name in enumerate(playbook.trigger.signals):
        if name not in abouts:
            raise document.error(
                ("trigger", "signals", number), f"there is no signal {name}", cure=f"known: {', '.join(abouts)}"
            )
    kinds = sorted({abouts[name] for name in playbook.trigger.signals})
    if len(kinds) > 1:
        raise document.error(
            ("trigger", "signals"),
            f"are about different kinds of thing: {', '.join(kinds)}",
            cure="write a playbook for each kind",
        )
    return kinds[0]


def _check_steps(document: documents.Document, playbook: Playbook, subject: Table) -> None:
    seen: set[str] = set()
    for index, step in enumerate(playbook.steps):
        if step.id in seen:
            raise document.error(("steps", index, "id"), f"{step.id!r} is already the id of an earlier step")
        for number, needed in enumerate(step.depends_on):
            if needed not in seen:
                raise document.error(("steps", index, "depends_on", number), f"{needed!r} is no earlier step")
        seen.add(step.id)
        for key in ("subject", "body"):
            text = getattr(step, key)
            document.check(("steps", index, key), templates.check, text, subject.columns, subject.examples())
