"""Fixtures of the tests of the warehouse; the built small world is in tests/built_fixture.py."""

import pytest

from include.warehouse import loader


@pytest.fixture
def raw(warehouse: str) -> str:
    """A warehouse with its raw tables."""
    loader.ensure_raw_tables()
    return warehouse
