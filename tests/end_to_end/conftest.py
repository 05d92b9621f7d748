"""A platform on the sandbox with its channels enabled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.sandbox import SandboxProcess

CHANNELS = """
slack: {dry_run: false}
email: {dry_run: false}
crm_task: {dry_run: false}
"""


# A build processes every day of history, and these tests do not need years of it.
SHORT_HISTORY = "history_start_months: 3\n"


@pytest.fixture
def platform(sandbox: SandboxProcess, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """The sandbox, a new warehouse, and settings that send messages and tasks to the sandbox."""
    folder = tmp_path / "overlay" / "config"
    folder.mkdir(parents=True)
    (folder / "channels.yaml").write_text(CHANNELS)
    (folder / "settings.yaml").write_text(SHORT_HISTORY)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    return sandbox
