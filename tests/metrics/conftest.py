"""The customers of the second calculations, loaded and built once for all files that ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse import build
from tests.metrics import arithmetic_world, operations_world, service_world
from tests.metrics.arithmetic_world import Customer
from tests.warehouse import small_world as world
from tests.warehouse.databases import database


@pytest.fixture(scope="session")
def played_once(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, list[Customer]]]:
    """The warehouse's URL, the folder of its settings, and who is in it."""
    customers = arithmetic_world.customers(1)
    with database(postgres, "arithmetic", "template") as url:
        # Its clock and settings are taken back before the first test: they are not those of the whole session.
        with pytest.MonkeyPatch.context() as patch:
            folder = tmp_path_factory.mktemp("arithmetic")
            _enter(patch, url, folder)
            operations_world.load_ids(patch)
            arithmetic_world.load(customers)
            service_world.load()
            operations_world.load_events()
            assert isinstance(build.run("first"), build.Finished)
        yield url, folder, customers


@pytest.fixture(scope="module")
def played(played_once: tuple[str, Path, list[Customer]]) -> Iterator[list[Customer]]:
    """The customers, their warehouse in force."""
    url, folder, customers = played_once
    with pytest.MonkeyPatch.context() as patch:
        _enter(patch, url, folder)
        yield customers


def _enter(patch: pytest.MonkeyPatch, url: str, folder: Path) -> None:
    world.use_short_history(patch, folder)
    patch.setenv("PERENNIAL_DATABASE_URL", url)
    patch.setenv("PERENNIAL_NOW", world.FIRST)
