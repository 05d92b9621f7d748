"""Paths of the project and of the folder that Perennial writes to."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SQL = ROOT / "sql"
LOCALES = ROOT / "include" / "defaults" / "locales"


def home() -> Path:
    """Return the folder for everything Perennial writes: ``PERENNIAL_HOME``, else ``.perennial`` in the project."""
    return Path(os.environ.get("PERENNIAL_HOME") or ROOT / ".perennial").resolve()
