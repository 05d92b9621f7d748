"""Sources write their limiters' state below a home of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(own_home: Path) -> Path:
    return own_home
