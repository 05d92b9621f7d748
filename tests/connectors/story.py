"""Stories: after random changes and failures, once the source is quiet, the raw tables equal it exactly.

Records are created, edited within one millisecond, archived, restored, merged, moved silently and written late,
while calls are throttled, rejected, cut off and answered by gateways, and the index lags. Between steps ingest runs
and may fail. Then the vendor is quiet, ingest runs twice, and every row is compared with a fresh read and with
the sandbox's truth. Erasures, which no vendor reports, are left to a full read: ``erase`` after ``run_story``.

For another vendor, describe it and call ``run_story`` in a test with the fixtures:

    ORG = Vendor("crm", "salesforce", {"company": Edits("account", {"name": NAMES}, merges=True)}, "/services/data/*")

    @pytest.mark.parametrize("seed", range(3))
    def test_story(seed, raw, sandbox, quick):
        run_story(ORG, Scene(sandbox, quick), seed)

``quick`` makes retries not wait and contracts pass. ``killed`` runs the same story with
ingest in a process of its own that is killed at random moments: see ``tests.connectors.story_process``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from include.common import connections
from include.common.errors import PerennialError
from include.connectors.registry import connect
from include.entities.catalog import ENTITIES, raw_table
from include.ingest import pipeline
from tests.fixtures.landing import rows
from tests.fixtures.sandbox import NOW, SandboxProcess

NAMES = ("Acme", "", "Ærø & Søn", "=1+1", "名前", "a\x00b", "‮exe", "x" * 5000)
STATUSES = (429, 500, 502, 503, 504, 521, 524)
KINDS = ("status", "drop_before", "drop_after", "truncate")


@dataclass(frozen=True)
class Edits:
    """The changes allowed for one kind of the world's records.

    Args:
        entity: The entity that it is loaded as.
        fields: Field -> possible values.
        moves: Field -> the kind of record that it references.
        merges: Whether two can be merged.
        deletes: Whether they can be deleted and restored.
        late_by: Maximum delay in seconds of a write that keeps its original time.
    """

    entity: str
    fields: Mapping[str, tuple[Any, ...]]
    moves: Mapping[str, str] = field(default_factory=dict)
    merges: bool = False
    deletes: bool = True
    late_by: tuple[int, ...] = (0, 0, 30, 200)


@dataclass(frozen=True)
class Vendor:
    """A vendor in a story.

    Args:
        source: Connection id.
        name: Vendor name for faults and raw tables.
        kinds: The world's kind -> allowed changes.
        paths: Paths of faulty calls; "" for a database.
        quiet_hours: Hours without changes after which silent changes have been read again.
        switches: Switch -> values.
        prefixes: Kind -> prefix of its ids in raw.
        quick_faults: Further kinds of faults that the source must tolerate.
        also: Entities derived from changes of the others.
        as_read: Entity -> columns that show another record's state at the time of reading.
    """

    source: str
    name: str
    kinds: Mapping[str, Edits]
    paths: str = "*"
    quiet_hours: float = 25
    switches: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    quick_faults: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    as_read: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def entities(self) -> tuple[str, ...]:
        """Return the loaded entities."""
        return tuple(dict.fromkeys([*(edits.entity for edits in self.kinds.values()), *self.also]))


class Scene:
    """The sandbox, its clock and Perennial's.

    Args:
        sandbox: The fixture.
        patch: Sets Perennial's clock.
    """

    def __init__(self, sandbox: SandboxProcess, patch: pytest.MonkeyPatch) -> None:
        self.sandbox, self._patch = sandbox, patch
        self.now = datetime.fromisoformat(NOW)

    def pass_time(self, minutes: float) -> None:
        """Advance both clocks."""
        self.wait(minutes)
        self.sandbox.now(self.now.isoformat())

    def wait(self, minutes: float) -> None:
        """Advance Perennial's clock only."""
        self.now += timedelta(minutes=minutes)
        self._patch.setenv("PERENNIAL_NOW", self.now.isoformat())

    def live(self, vendor: Vendor, kind: str) -> list[int]:
        """Return the ids of a kind that are not deleted."""
        prefix = vendor.prefixes.get(kind, "")
        ids = (str(one) for one in self.sandbox.truth()[vendor.kinds[kind].entity]["live_ids"])
        return sorted(int(one.removeprefix(prefix)) for one in ids if one.startswith(prefix))


def run(vendor: Vendor) -> None:
    """Run ingest once. It may fail."""
    try:
        pipeline.run(vendor.source, only=vendor.entities)
    except PerennialError:
        return


def run_story(vendor: Vendor, scene: Scene, seed: int, n_steps: int = 6, step: Callable[[Vendor], None] = run) -> None:
    """Run one story and check the final state.

    Args:
        vendor: The vendor.
        scene: Sandbox and clocks.
        seed: Seed of the random events.
        n_steps: Number of ingest runs during the story.
        step: Runs ingest; may fail or be killed.
    """
    rng = random.Random(seed)
    deleted: list[tuple[str, int]] = []
    for _ in range(n_steps):
        for _ in range(rng.randint(1, 6)):
            _happen(rng, vendor, scene, deleted)
        _trouble(rng, vendor, scene)
        scene.pass_time(rng.choice((1, 4, 7, 30, 70)))
        step(vendor)
    settle(vendor, scene)
    check(vendor, scene, f"seed {seed}")


def erase(vendor: Vendor, scene: Scene, seed: int) -> None:
    """Erase a record, which no vendor reports, and check that a full read detects it."""
    rng = random.Random(f"erased {seed}")
    kind = rng.choice(sorted(vendor.kinds))
    scene.sandbox.mutate(kind, rng.choice(scene.live(vendor, kind)), op="erase")
    scene.pass_time(10)
    pipeline.run(vendor.source, only=vendor.entities, full=True)
    check(vendor, scene, f"seed {seed}, after an erasure of {kind}")


def settle(vendor: Vendor, scene: Scene) -> None:
    """Lift all faults and let ingest catch up."""
    scene.sandbox.lift_faults()
    if vendor.switches:
        scene.sandbox.control("switches", **dict.fromkeys(vendor.switches))
    scene.pass_time(60 * vendor.quiet_hours)
    pipeline.run(vendor.source, only=vendor.entities)
    scene.pass_time(20)
    if not vendor.paths:
        # A database is written to all the time: read rows within the lag too before counting.
        scene.wait(10)  # short: the world's clock
    pipeline.run(vendor.source, only=vendor.entities)


def check(vendor: Vendor, scene: Scene, when: str) -> None:
    """Compare raw with a fresh read, and its ids with the sandbox's truth."""
    source = connect(connections.get(vendor.source))
    truth = scene.sandbox.truth()
    for entity in vendor.entities:
        expected: dict[str, dict[str, Any]] = {}
        for page in source.read(entity, position=None, until=scene.now):
            expected |= {record.id: record.values for record in page.records if not record.is_deleted}
            for record in page.records:
                if record.is_deleted:
                    expected.pop(record.id, None)
        columns = [name for name in ENTITIES[entity].column_names if name not in vendor.as_read.get(entity, ())]
        stored = {
            one: dict(zip(columns, found, strict=True))
            for one, *found in rows(
                f"select id, {', '.join(columns)} from raw.{raw_table(vendor.name, entity)} where not _is_deleted"
            )
        }
        if "live_ids" in truth[entity]:
            assert set(stored) == {str(one) for one in truth[entity]["live_ids"]}, f"{when}: {entity}"
        else:
            assert len(stored) == truth[entity]["live"], f"{when}: {entity}"
        assert set(stored) == set(expected), f"{when}: {entity}"
        for one, values in expected.items():
            wanted = {name: _clean(values.get(name)) for name in columns}
            assert stored[one] == wanted, f"{when}: {entity} {one}"


def _clean(value: Any) -> Any:
    return value.replace("\x00", "") if isinstance(value, str) else value


def _happen(rng: random.Random, vendor: Vendor, scene: Scene, deleted: list[tuple[str, int]]) -> None:
    kind = rng.choice(sorted(vendor.kinds))
    edits, live, mutate = vendor.kinds[kind], scene.live(vendor, kind), scene.sandbox.mutate
    name = rng.choice(sorted(edits.fields))
    change = {name: rng.choice(edits.fields[name])}
    late = (scene.now - timedelta(seconds=rng.choice(edits.late_by))).isoformat()
    happening = rng.choice(("set", "set", "create", "tie", "delete", "restore", "merge", "move"))
    if happening == "set":
        mutate(kind, rng.choice(live), set=change)
    elif happening == "create":
        mutate(kind, op="create", set=change, count=rng.choice((1, 1, 2, 150)), at=late)
    elif happening == "tie":
        mutate(kind, op="touch", set=change, ids=rng.sample(live, min(len(live), 40)))
    elif happening == "delete" and edits.deletes and len(live) > 20:
        one = rng.choice(live)
        mutate(kind, one, op="delete")
        deleted.append((kind, one))
    elif happening == "restore" and deleted:
        gone, one = deleted.pop(rng.randrange(len(deleted)))
        mutate(gone, one, op="restore")
    elif happening == "merge" and edits.merges and len(live) > 20:
        loser, winner = rng.sample(live, 2)
        mutate(kind, loser, op="merge", into=winner)
    elif happening == "move" and edits.moves:
        name, target = rng.choice(sorted(edits.moves.items()))
        mutate(kind, rng.choice(live), set={name: rng.choice(scene.live(vendor, target))}, quiet=True)


def _trouble(rng: random.Random, vendor: Vendor, scene: Scene) -> None:
    scene.sandbox.lift_faults()
    for name, values in vendor.switches.items():
        scene.sandbox.control("switches", **{name: rng.choice(values)})
    for _ in range(rng.choice((0, 1, 2)) if vendor.paths else 0):
        more = {"status": rng.choice(STATUSES), "chance": rng.choice((0.1, 0.4, 1.0)), "seed": rng.randrange(1000)}
        kind = rng.choice((*KINDS, *vendor.quick_faults))
        times = rng.choice((1, 3, 30))
        scene.sandbox.control(
            "faults", vendor=vendor.name, kind=kind, path=vendor.paths, times=times, skip=rng.randrange(20), **more
        )
