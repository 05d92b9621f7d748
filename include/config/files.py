"""Which file is in force: the one that came with Perennial, or the one of the same name in the overlay."""

from __future__ import annotations

import os
from glob import glob
from pathlib import Path
from typing import Literal

from include.common import paths
from include.common.errors import ConfigError

Area = Literal["config", "sql", "playbooks"]
OVERLAY_VARIABLE = "PERENNIAL_CONFIG_DIR"
SHIPPED: dict[Area, Path] = {
    "config": paths.ROOT / "include" / "defaults" / "config",
    "sql": paths.SQL,
    "playbooks": paths.ROOT / "include" / "defaults" / "playbooks",
}


def overlay() -> Path | None:
    """Return the overlay folder, or None when ``PERENNIAL_CONFIG_DIR`` is unset.

    Raises:
        ConfigError: The variable names no folder.
    """
    named = os.environ.get(OVERLAY_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(
            f"{OVERLAY_VARIABLE} names {folder}, which is not a folder",
            cure=f"create it with sub-folders config/, sql/ or playbooks/, or unset {OVERLAY_VARIABLE}",
        )
    return folder


def find(area: Area, name: str) -> Path | None:
    """Return the file in force.

    Args:
        area: Which of the mirrored trees.
        name: The file's path below it, such as ``mappings/hubspot.yaml``.

    Returns:
        The overlay's file if it has one of that name, else the shipped one, else None.
    """
    above = overlay()
    for root in ([above / area] if above else []) + [SHIPPED[area]]:
        if (root / name).is_file():
            return root / name
    return None


def listing(area: Area, pattern: str) -> dict[str, Path]:
    """Return the files in force whose path below the area matches.

    Args:
        area: Which of the mirrored trees.
        pattern: A glob such as ``*.yaml`` or ``marts/*/query.sql``.

    Returns:
        Path below the area -> file in force, in the order of the names.
    """
    above = overlay()
    found: dict[str, Path] = {}
    for root in [SHIPPED[area]] + ([above / area] if above else []):
        # Asked for at every use, to see what has changed: this glob takes half the time of the one of ``Path``.
        names = [name for name in glob(pattern, root_dir=root, recursive=True) if (root / name).is_file()]
        found |= {name: root / name for name in names}
    return dict(sorted(found.items()))


def shown(path: Path) -> str:
    """Return how a message names a file: below the project or the overlay if it is there, else in full."""
    for root in (paths.ROOT, Path.cwd()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)
