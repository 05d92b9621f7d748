"""Stories of a Zendesk account; see ``tests.connectors.story``."""

from __future__ import annotations

import pytest

from tests.connectors.story import NAMES, Edits, Scene, Vendor, erase, run_story
from tests.connectors.story_process import killed
from tests.fixtures.sandbox import SandboxProcess

DESK = Vendor(
    "support",
    "zendesk",
    {
        "organization": Edits("organization", {"name": NAMES, "external": (None, 1001)}, merges=True),
        "support_user": Edits(
            "support_user", {"name": NAMES, "active": (True, False)}, {"organization": "organization"}, merges=True
        ),
        # The export withholds one minute, and nothing arrives later than that.
        "ticket": Edits(
            "ticket",
            {"subject": NAMES, "status": ("open", "solved", "pending"), "priority": ("urgent", None)},
            {"organization": "organization", "requester": "support_user"},
            late_by=(0, 0, 30),
        ),
        "rating": Edits("rating", {"score": ("good", "bad")}, deletes=False),
    },
    paths="/api/v2/*",
    quiet_hours=3,
    also=("ticket_event",),
    as_read={"ticket_event": ("organization_id",), "rating": ("organization_id",)},
)


@pytest.mark.parametrize("seed", range(1))
def test_story(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    scene = Scene(sandbox, quick)
    run_story(DESK, scene, seed, n_steps=4)
    erase(DESK, scene, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_story_soak(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    scene = Scene(sandbox, quick)
    run_story(DESK, scene, seed, n_steps=12)
    erase(DESK, scene, seed)


@pytest.mark.parametrize("seed", range(1))
def test_killed_story(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    run_story(DESK, Scene(sandbox, quick), seed, n_steps=2, step=killed(seed))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(200, 250))
def test_killed_story_soak(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    run_story(DESK, Scene(sandbox, quick), seed, n_steps=6, step=killed(seed))
