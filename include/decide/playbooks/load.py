"""Load the playbooks in force: the shipped ones, overlaid by ``$PERENNIAL_CONFIG_DIR/playbooks``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from include.common.errors import ConfigError
from include.config import files
from include.config.documents import Document
from include.decide.playbooks.schema import Playbook
from include.decide.rules.load import Clause, Rule, check_texts, condition, parse, rules_in
from include.decide.rules.reasons import Reason
from include.decide.rules.subjects import Table, table
from include.decide.signals.load import load as load_signals

# Names that texts may use in addition to the columns, with example values.
MORE_NAMES: Mapping[str, Any] = {"due_on": date(2026, 1, 1), "assignee_name": "Ada", "open_risks": ""}


def load() -> dict[str, Rule[Playbook]]:
    """Return the playbooks in force by name, without those that have ``disabled: true``.

    Raises:
        ConfigError: A playbook is wrong. The error names file, line and key.
    """
    subject_kinds = tuple((name, rule.about) for name, rule in load_signals().items())
    return rules_in("playbooks", "*.yaml", _check_all, subject_kinds)


def _check_all(document: Document, subject_kinds: tuple[tuple[str, str], ...]) -> Rule[Playbook]:
    return _check(document, dict(subject_kinds))


def revive(name: str, content: Mapping[str, Any]) -> Rule[Playbook]:
    """Return a playbook from the stored content with which something runs.

    Raises:
        ConfigError: It no longer fits, for example because a column that it names is gone.
    """
    try:
        return _check(Document(Path(f"{name}.yaml"), dict(content), {}), {}, content.get("about"))
    except ConfigError as error:
        raise ConfigError(
            f"{name} {content.get('version')} is still running and no longer fits the tables: {error.message}",
            cure="restore the columns, or end the running playbooks: complete their tasks in the CRM",
        ) from None


def listing() -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "version": rule.file.version,
            "status": rule.file.status,
            "about": rule.about,
            "starts": f"{trigger.rung} days before" if trigger.rung else "|".join(trigger.signals),
            "tiers": ",".join(rule.file.audience.tiers) or "all",
            "steps": len(rule.file.steps),
            "title": rule.file.title,
            "why": rule.file.why,
            "hold_out": rule.file.hold_out,
            "file": files.shown(rule.path),
        }
        for name, rule in load().items()
        for trigger in (rule.file.trigger,)
    ]


def _check(document: Document, subject_kinds: Mapping[str, str], started_about: str | None = None) -> Rule[Playbook]:
    """Check a playbook. ``started_about`` marks a running one, whose texts were checked for promises at its start."""
    content = {key: value for key, value in document.data.items() if key != "about"}
    document = Document(document.path, content, document.lines)
    playbook = parse(document, Playbook)
    about = started_about or _about(document, playbook, subject_kinds)
    subject = table(about)
    _check_steps(document, playbook)
    texts = [
        (("steps", number, key), getattr(step, key))
        for number, step in enumerate(playbook.steps)
        for key in ("subject", "body")
    ]
    check_texts(
        document,
        texts,
        {*subject.columns, *MORE_NAMES},
        [{**row, **MORE_NAMES} for row in subject.examples()],
        may_promise=started_about is not None,
    )
    steps = {
        step.id: condition(document, ("steps", number, "only_if"), step.only_if, subject.columns, f"s{number}_")
        for number, step in enumerate(playbook.steps)
    }
    return Rule(
        playbook,
        about,
        subject,
        list(_clauses(document, playbook, subject)),
        close=condition(document, ("exit", "when"), playbook.exit.when, subject.columns, "e_"),
        only_if={step: compiled for step, compiled in steps.items() if compiled},
        is_chosen=playbook.trigger.rung is None,
        path=document.path,
        content={**content, "about": about},
    )


def _clauses(document: Document, playbook: Playbook, subject: Table) -> Iterator[Clause]:
    days = playbook.trigger.rung
    clauses: list[tuple[Reason, str, str, dict[str, Any]]] = []
    if days:
        clauses = [
            (Reason.TERM_TOO_SHORT, "rung", f"term_days >= {2 * days}", {}),
            (Reason.RUNG_NOT_REACHED, "rung", f"days_to_decision between 0 and {days}", {"rung": days}),
        ]
    clauses.append((Reason.CONDITION_NOT_MET, "when", playbook.trigger.when, {}))
    for number, (reason, key, text, facts) in enumerate(clauses):
        if compiled := condition(document, ("trigger", key), text, subject.columns, f"t{number}_"):
            yield Clause(reason, text, compiled, facts)


def _about(document: Document, playbook: Playbook, subject_kinds: Mapping[str, str]) -> str:
    if playbook.trigger.rung is not None:
        return "renewal"
    for number, name in enumerate(playbook.trigger.signals):
        if name not in subject_kinds:
            raise document.error(
                ("trigger", "signals", number), f"unknown signal {name}", cure=f"known: {', '.join(subject_kinds)}"
            )
    kinds = sorted({subject_kinds[name] for name in playbook.trigger.signals})
    if len(kinds) > 1:
        raise document.error(
            ("trigger", "signals"),
            f"are about different kinds of subject: {', '.join(kinds)}",
            cure="write a playbook for each kind",
        )
    return kinds[0]


def _check_steps(document: Document, playbook: Playbook) -> None:
    seen: set[str] = set()
    for index, step in enumerate(playbook.steps):
        if step.id in seen:
            raise document.error(("steps", index, "id"), f"{step.id!r} is already the id of an earlier step")
        for number, needed in enumerate(step.depends_on):
            if needed not in seen:
                raise document.error(("steps", index, "depends_on", number), f"{needed!r} is not an earlier step")
        seen.add(step.id)
