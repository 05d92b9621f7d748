"""Stories of a product database; see ``tests.connectors.story``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.connectors.story import NAMES, Edits, Scene, Vendor, erase, run_story
from tests.connectors.story_process import killed
from tests.fixtures.sandbox import SandboxProcess

TEXTS = tuple(name for name in NAMES if "\x00" not in name)  # PostgreSQL text cannot contain NUL
DATABASE = Vendor(
    "product_db",
    "product",
    {
        "workspace": Edits("product_account", {"name": TEXTS, "plan": ("team", "business")}),
        "member": Edits("product_user", {"team": TEXTS, "role": ("viewer", "admin")}),
    },
    paths="",
    quiet_hours=3,
    # Rows committed late, with the start time of their transaction.
    switches={"product.hold_seconds": (0, 0, 40, 200)},
    prefixes={"workspace": "ws_"},
    also=("seat_day",),
)
LARGE = replace(DATABASE, also=("seat_day", "usage_day"))


@pytest.fixture
def scene(sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> Scene:
    assert sandbox.product_url  # access marks it for a rebuild before the next test
    return Scene(sandbox, quick)


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize("seed", range(1))
def test_killed_story(seed: int, scene: Scene) -> None:
    run_story(DATABASE, scene, seed, n_steps=2, step=killed(seed))


@pytest.mark.soak
@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize("seed", range(100, 140))
def test_story_soak(seed: int, scene: Scene) -> None:
    run_story(LARGE, scene, seed, n_steps=12)
    erase(LARGE, scene, seed)


@pytest.mark.soak
@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize("seed", range(200, 250))
def test_killed_story_soak(seed: int, scene: Scene) -> None:
    run_story(LARGE, scene, seed, n_steps=6, step=killed(seed))
