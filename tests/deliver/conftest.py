"""What holds for all tests of this folder."""

import pytest


@pytest.fixture(autouse=True)
def _no_answer_is_late(no_answer_is_late: None) -> None:
    """See the fixture of this name."""
