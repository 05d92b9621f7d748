"""Give each test its own home, where sources write their limiters' state."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(own_home: Path) -> Path:
    return own_home
