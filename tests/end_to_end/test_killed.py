"""The whole chain, killed at random moments: nothing is lost or duplicated.

The tests of each step's own folder check the same on every run: ``ingest/test_ingest_killed.py`` and
``test_merge_killed.py``, ``models/test_build.py``, ``decide/test_decide.py`` and ``deliver/test_killed.py``.
"""

from __future__ import annotations

import random
import time

import pytest

from include.deliver import holds
from tests.end_to_end import fingerprints
from tests.fixtures.children import Child
from tests.fixtures.sandbox import SandboxProcess

pytestmark = pytest.mark.soak
SEEDS = range(30)
KILLS = 2

# An undisturbed run of the same world, done once by the first test that needs it.
_reference: dict[str, object] = {}


def _start(run_id: str) -> Child:
    return Child("tests.end_to_end.chain", run_id)


def _finish(run_id: str) -> float:
    started = time.monotonic()
    status, printed = _start(run_id).end()
    assert status == 0, printed[-2000:]
    return time.monotonic() - started


def _release_mail() -> None:
    holds.release("email", "first use", "test")


def _left_behind(sandbox: SandboxProcess) -> dict[str, object]:
    return {
        "raw": {
            name: print_ for name, print_ in fingerprints.table_prints("raw").items() if not name.startswith("batch_")
        },
        "marts": fingerprints.table_prints("marts"),
        "keys": set(fingerprints.outbox()),
    }


@pytest.fixture
def reference(platform: SandboxProcess) -> dict[str, object]:
    """The results of an undisturbed run, and its duration."""
    if not _reference:
        _release_mail()
        _reference["seconds"] = _finish("reference")
        _reference["left"] = _left_behind(platform)
        _reference["outside"] = fingerprints.outside(platform)
    return _reference


# First: killed runs are compared with it.
def test_reference_run_produces_output(reference: dict[str, object]) -> None:
    assert reference["left"]["keys"]  # type: ignore[index]
    assert all(reference["outside"].values())  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", SEEDS)
def test_kill_anywhere_then_restart(seed: int, platform: SandboxProcess) -> None:
    assert _reference, "the reference run comes first"
    _release_mail()
    chance = random.Random(seed)
    for kill in range(KILLS):
        child = _start(f"killed-{kill}")
        if not child.ends_within(chance.uniform(0.0, float(_reference["seconds"]))):  # type: ignore[arg-type]
            child.kill()
        child.end()
    _finish("last")

    assert _left_behind(platform) == _reference["left"]
    arrived, box = fingerprints.outside(platform), fingerprints.outbox()
    assert set(arrived["crm_task"].values()) == {1}
    assert arrived["crm_task"].keys() == _reference["outside"]["crm_task"].keys()  # type: ignore[index]
    uncertain = {row["key"] for row in box.values() if row["state"] == "uncertain"}
    for channel in ("slack", "email"):
        assert set(arrived[channel].values()) <= {1}, f"{channel}: twice"
    expected = {row["key"] for row in box.values() if row["channel"] == "slack" and row["state"] == "sent"}
    assert arrived["slack"].keys() == expected | (arrived["slack"].keys() & uncertain)
    mails = [row for row in box.values() if row["channel"] == "email" and row["state"] in ("sent", "uncertain")]
    assert len(arrived["email"]) >= len([row for row in mails if row["state"] == "sent"])
