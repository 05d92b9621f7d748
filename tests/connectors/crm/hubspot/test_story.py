"""Stories of a HubSpot portal; see ``tests.connectors.story``."""

from __future__ import annotations

import pytest

from tests.connectors.story import NAMES, Edits, Scene, Vendor, erase, run_story
from tests.connectors.story_process import killed
from tests.fixtures.sandbox import SandboxProcess

PORTAL = Vendor(
    "crm",
    "hubspot",
    {
        "company": Edits("account", {"name": NAMES, "industry": ("", "RETAIL")}, merges=True),
        "contact": Edits("contact", {"jobtitle": NAMES, "email": ("a@b.example", "")}, {"company": "company"}, True),
        "deal": Edits("opportunity", {"dealname": NAMES, "amount": ("", "12.5", "0")}, {"company": "company"}),
        "call": Edits("activity", {"hs_call_title": NAMES}, {"company": "company", "contact": "contact"}),
        "note": Edits("activity", {"hs_timestamp": ("2026-06-01T10:00:00Z",)}, {"contact": "contact"}),
        "invoice": Edits("invoice", {"hs_invoice_status": ("open", "voided")}, {"company": "company"}),
    },
    paths="/crm/*",
    switches={"hubspot.index_lag_seconds": (0, 0, 40, 1500)},
    prefixes={"call": "calls-", "note": "notes-"},
    quick_faults=("partial",),
)


@pytest.mark.parametrize("seed", range(1))
def test_story(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    scene = Scene(sandbox, quick)
    run_story(PORTAL, scene, seed, n_steps=3)
    erase(PORTAL, scene, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_story_soak(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    scene = Scene(sandbox, quick)
    run_story(PORTAL, scene, seed, n_steps=12)
    erase(PORTAL, scene, seed)


@pytest.mark.parametrize("seed", range(1))
def test_killed_story(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    run_story(PORTAL, Scene(sandbox, quick), seed, n_steps=2, step=killed(seed))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(200, 250))
def test_killed_story_soak(seed: int, raw: str, sandbox: SandboxProcess, quick: pytest.MonkeyPatch) -> None:
    run_story(PORTAL, Scene(sandbox, quick), seed, n_steps=6, step=killed(seed))
