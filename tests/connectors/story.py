"""A story: whatever happens at the vendor, and on the way, once the source is quiet raw equals it exactly.

Records are made, edited, tied in one millisecond, archived, restored, merged, moved without a trace and written late,
while calls are throttled, refused, cut off and answered by gateways, and the index lags. Between the steps ingest runs
and may fail. Then all falls silent, ingest runs twice, and every row is compared with a read from scratch and with what
the sandbox says that there is. What no vendor tells of, an erasure, is left to a full read: ``erase`` after ``tell``.

To use it for another vendor, describe it and call ``tell`` in a test that is given the fixtures:

    ORG = Vendor("crm", "salesforce", {"company": Edits("account", {"name": NAMES}, merges=True)}, "/services/data/*")

    @pytest.mark.parametrize("seed", range(3))
    def test_story(seed, warehouse, sandbox, quick):
        tell(ORG, Scene(sandbox, quick), seed)

``quick`` (in this folder's conftest) lets retries not wait and the contracts pass. ``killed`` runs the same story with
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
    """What may happen to one kind of the world's records.

    Args:
        entity: What it is loaded as.
        fields: Field -> values that it may take.
        moves: Field -> the kind that it names.
        merges: Two may become one.
        deletes: They may be deleted and restored.
        late_by: How many seconds late they may be written, with the time that they should have had.
    """

    entity: str
    fields: Mapping[str, tuple[Any, ...]]
    moves: Mapping[str, str] = field(default_factory=dict)
    merges: bool = False
    deletes: bool = True
    late_by: tuple[int, ...] = (0, 0, 30, 200)


@dataclass(frozen=True)
class Vendor:
    """A vendor as the stories know it.

    Args:
        source: Connection id.
        name: Vendor of the faults, and of the raw tables.
        kinds: The world's kind -> what may happen to it.
        paths: Where calls go wrong; "" for a database.
        quiet_hours: After so long without changes, everything has been read again that may have changed untold.
        switches: Switch -> values.
        prefixes: Kind -> what its ids begin with in raw.
        quick_faults: Further kinds of faults that it must bear.
        also: Entities that follow from the others' life.
        as_read: Entity -> columns that say how another record was when this one was read.
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
        """What is loaded of it."""
        return tuple(dict.fromkeys([*(edits.entity for edits in self.kinds.values()), *self.also]))


class Scene:
    """The sandbox, its clock and ours.

    Args:
        sandbox: As the fixture gives it.
        patch: Sets our clock.
    """

    def __init__(self, sandbox: SandboxProcess, patch: pytest.MonkeyPatch) -> None:
        self.sandbox, self._patch = sandbox, patch
        self.now = datetime.fromisoformat(NOW)

    def pass_time(self, minutes: float) -> None:
        """Let both clocks continue."""
        self.wait(minutes)
        self.sandbox.now(self.now.isoformat())

    def wait(self, minutes: float) -> None:
        """Let our clock continue while nothing happens at the vendor."""
        self.now += timedelta(minutes=minutes)
        self._patch.setenv("PERENNIAL_NOW", self.now.isoformat())

    def live(self, vendor: Vendor, kind: str) -> list[int]:
        """Return the ids of a kind that are not deleted."""
        prefix = vendor.prefixes.get(kind, "")
        ids = (str(one) for one in self.sandbox.truth()[vendor.kinds[kind].entity]["live_ids"])
        return sorted(int(one.removeprefix(prefix)) for one in ids if one.startswith(prefix))


def run(vendor: Vendor) -> None:
    """Ingest once, as far as it gets."""
    try:
        pipeline.run(vendor.source, only=vendor.entities)
    except PerennialError:
        return


def tell(vendor: Vendor, scene: Scene, seed: int, n_steps: int = 6, step: Callable[[Vendor], None] = run) -> None:
    """Tell one story and check its end.

    Args:
        vendor: Whose.
        scene: Sandbox and clocks.
        seed: Of all draws.
        n_steps: How often ingest runs meanwhile.
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
    """Erase something, of which no vendor tells, and check that a full read notices."""
    rng = random.Random(f"erased {seed}")
    kind = rng.choice(sorted(vendor.kinds))
    scene.sandbox.mutate(kind, rng.choice(scene.live(vendor, kind)), op="erase")
    scene.pass_time(10)
    pipeline.run(vendor.source, only=vendor.entities, full=True)
    check(vendor, scene, f"seed {seed}, after an erasure of {kind}")


def settle(vendor: Vendor, scene: Scene) -> None:
    """Let all trouble end, and ingest read what is left."""
    scene.sandbox.lift_faults()
    if vendor.switches:
        scene.sandbox.control("switches", **dict.fromkeys(vendor.switches))
    scene.pass_time(60 * vendor.quiet_hours)
    pipeline.run(vendor.source, only=vendor.entities)
    scene.pass_time(20)
    if not vendor.paths:
        # A database is written to all the time: what is younger than the lag is read too before rows are counted.
        scene.wait(10)  # short: the world's clock
    pipeline.run(vendor.source, only=vendor.entities)


def check(vendor: Vendor, scene: Scene, when: str) -> None:
    """Compare raw with a read from scratch, and its ids with what the sandbox says."""
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
