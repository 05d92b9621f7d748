"""Sources write their limiters' state below a home of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    return tmp_path / "home"
