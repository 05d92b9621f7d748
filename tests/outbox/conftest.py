"""What holds for all tests of this folder."""

import pytest


@pytest.fixture(autouse=True)
def _no_timeouts(no_timeouts: None) -> None:
    """See the fixture of this name."""
