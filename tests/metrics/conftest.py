"""The built small world, for the tests of metrics too."""

from tests.warehouse.conftest import built, built_once

__all__ = ["built", "built_once"]
