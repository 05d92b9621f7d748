"""Fixtures of the warehouse's tests."""

import pytest

from include.warehouse import loader


@pytest.fixture
def raw(warehouse: str) -> str:
    """A warehouse with its raw tables."""
    loader.ensure_raw_tables()
    return warehouse
