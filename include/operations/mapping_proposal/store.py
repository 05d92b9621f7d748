"""Write a proposal to the overlay: the mapping file, and its entries in settings.yaml and renewals.yaml."""

from __future__ import annotations

import os
import re
from pathlib import Path

from include.common.errors import ConfigError
from include.config import files
from include.config.documents import read as read_document
from include.config.documents import validate
from include.connectors.mapping import MappingDocument
from include.operations.mapping_proposal.pipelines import RenewalPipeline
from include.operations.mapping_proposal.write import scalar

_SOURCES = re.compile(r"^sources:.*?(?=^\S(?!ources))", re.MULTILINE | re.DOTALL)


def target(connection: str, *, force: bool) -> Path:
    """Return the path of the mapping file.

    Raises:
        ConfigError: There is no overlay, or the file exists and ``force`` is not set.
    """
    overlay = files.overlay()
    if overlay is None:
        raise ConfigError(
            f"{files.OVERLAY_VARIABLE} is not set: there is no folder to write the mapping to",
            cure=f"create a folder and export {files.OVERLAY_VARIABLE}, or view the proposal with --dry-run",
        )
    path = overlay / "config" / "mappings" / f"{connection}.yaml"
    if path.exists() and not force:
        raise ConfigError(
            f"{files.shown(path)} already exists",
            cure="compare it with the output of --dry-run, or overwrite it with --force",
        )
    return path


def put(path: Path, text: str) -> None:
    """Write a file atomically.

    Raises:
        ConfigError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise ConfigError(
            f"{files.shown(path)} cannot be written: {error.strerror}", cure="check the folder's permissions"
        ) from None


def put_mapping(path: Path, text: str) -> None:
    """Write the mapping file after validating it.

    Raises:
        ConfigError: It cannot be written, or is invalid.
    """
    part = path.with_name(f".{path.name}.proposed")
    put(part, text)
    try:
        validate(read_document(part), MappingDocument)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def name_mapping(connection: str) -> str:
    """Name the mapping file in settings.yaml. Return what was done, or what a person must do."""
    overlay = files.overlay()
    assert overlay is not None
    path, line = overlay / "config" / "settings.yaml", f"mapping: {connection}.yaml"
    by_hand = f"write `{line}` under the source {connection} in {files.shown(path)}"
    shipped = files.shipped("config", "settings.yaml").read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8") if path.exists() else shipped
    if "sources" not in (read_document(path).data if path.exists() else {"sources": []}):
        block = _SOURCES.search(shipped)
        text = f"{text.rstrip()}\n\n{block[0].rstrip() if block else ''}\n"
    lines = text.splitlines()
    for number, one in enumerate(lines):
        found = re.match(rf"(\s*(?:-\s+)?)id:\s*[\"']?{re.escape(connection)}[\"']?\s*(?:#.*)?$", one)
        if not found:
            continue
        around = lines[number + 1 : number + 12]
        own = next((n for n, each in enumerate(around) if re.match(r"\s*-\s", each)), len(around))
        named = next((each.strip() for each in around[:own] if each.strip().startswith("mapping:")), "")
        if named:
            return "" if named.startswith(line) else f"{by_hand}; it has `{named}`"
        lines.insert(number + 1, " " * len(found[1]) + line)
        put(path, "\n".join(lines) + "\n")
        return f"Wrote `{line}` into {files.shown(path)}"
    return by_hand


def name_pipelines(pipelines: list[RenewalPipeline]) -> str:
    """Name the renewal pipelines in renewals.yaml. Return what was done, or what a person must do."""
    overlay = files.overlay()
    assert overlay is not None
    if not pipelines:
        return ""
    path = overlay / "config" / "renewals.yaml"
    line = f"renewal_pipelines: [{', '.join(scalar(one.id) for one in pipelines)}]"
    by_hand = f"write `{line}` into {files.shown(path)}"
    if any(one.confidence != "high" for one in pipelines):
        return f"{by_hand} if this is correct ({'; '.join(one.evidence for one in pipelines)})"
    given = read_document(path).data if path.exists() else {}
    if "renewal_pipelines" in given:
        known = {str(one).lower() for one in given["renewal_pipelines"] or ()}
        return "" if all(one.id.lower() in known for one in pipelines) else by_hand
    text = f"{path.read_text(encoding='utf-8').rstrip()}\n\n" if path.exists() else ""
    put(path, f"{text}# Proposed: {', '.join(' '.join(one.label.split())[:60] for one in pipelines)}\n{line}\n")
    return f"Wrote `{line}` into {files.shown(path)}"
