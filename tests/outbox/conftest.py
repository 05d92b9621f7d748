"""Fixtures for all tests of this folder."""

import pytest


@pytest.fixture(autouse=True)
def _no_timeouts(no_timeouts: None) -> None:
    """Apply ``no_timeouts`` to every test of this folder."""
