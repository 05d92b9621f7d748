"""A platform on the sandbox with its channels turned on."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.sandbox.demo import overlay
from tests.sandbox_fixture import SandboxProcess


@pytest.fixture
def platform(
    sandbox: SandboxProcess, warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SandboxProcess:
    """The sandbox, a new warehouse, and settings under which messages and tasks reach the sandbox."""
    overlay.write(tmp_path)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    return sandbox
