"""The small world, loaded and built once a session, and a copy of it for each test that asks."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse import build
from tests.warehouse import small_world as world
from tests.warehouse.databases import close, database

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def built_once(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with the small world loaded and built once, on 10 June 2026."""
    with database(postgres, "built", "template") as url:
        # Its clock and settings are taken back before the first test: they are not those of the whole session.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PERENNIAL_DATABASE_URL", url)
            patch.setenv("PERENNIAL_NOW", world.FIRST)
            world.use_short_history(patch, tmp_path_factory.mktemp("settings"))
            world.load_all()
            assert isinstance(build.run("first"), build.Finished)
            close(url)
        yield "built"


@pytest.fixture
def built(
    postgres: str, built_once: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[pytest.MonkeyPatch]:
    """A copy of it of one's own, in force."""
    with database(postgres, f"copy_{next(_numbers)}", built_once) as url:
        world.use_short_history(monkeypatch, tmp_path)
        monkeypatch.setenv("PERENNIAL_DATABASE_URL", url)
        monkeypatch.setenv("PERENNIAL_NOW", world.FIRST)
        yield monkeypatch
