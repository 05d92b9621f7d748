"""Sources write their limiters' state below a home of the test's own."""

from pathlib import Path

import pytest

import include.contracts
from tests.integration.conftest import FakeContracts


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    return tmp_path / "home"


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Retries that do not wait, contracts that pass, a limiter of this test's own."""
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("include.sources.http.client._wait", lambda state: 0.0)
    monkeypatch.setattr("include.sources.http.limiter.Limiter.block", lambda self, kind, seconds: None)
    monkeypatch.setattr(include.contracts, "validate", FakeContracts(), raising=False)
    return monkeypatch
