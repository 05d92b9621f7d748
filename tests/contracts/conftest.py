"""Every test here happens at the same moment."""

from __future__ import annotations

import pytest

from tests.contracts.landed import NOW


@pytest.fixture(autouse=True)
def _fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", NOW.isoformat())
