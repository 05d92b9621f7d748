"""Run every test of this folder at the same clock time."""

from __future__ import annotations

import pytest

from tests.contracts.landed import NOW


@pytest.fixture(autouse=True)
def _fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", NOW.isoformat())
