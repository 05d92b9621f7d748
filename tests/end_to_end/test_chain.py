"""Guarantees of the whole chain, on a small world with a fixed clock."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.common.errors import PerennialError
from include.deliver import holds
from include.deliver.deliver import deliver
from include.gate import availability
from include.ingest import pipeline
from include.models import build, registry
from include.warehouse.engine import engine
from tests.end_to_end import chain, fingerprints
from tests.fixtures.sandbox import NOW, SandboxProcess

START = datetime.fromisoformat(NOW)


def _release_mail() -> None:
    """Release the e-mail channel: a mail server cannot be queried for sent mails."""
    holds.release("email", "first use", "test")


def _to(platform: SandboxProcess, monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    platform.now(at.isoformat())
    monkeypatch.setenv("PERENNIAL_NOW", at.isoformat())


def _scalar(statement: str) -> object:
    with engine("reader").connect() as connection:
        return connection.execute(sa.text(statement)).scalar()


def test_chain_sends_messages_and_a_rerun_or_rebuilt_day_changes_nothing(
    platform: SandboxProcess,
) -> None:
    _release_mail()
    said = chain.run("first")
    assert [said[source].state for source in chain.SOURCES] == ["green"] * 3
    arrived = fingerprints.outside(platform)
    for channel, keys in arrived.items():
        assert keys, f"nothing arrived by {channel}"
        assert set(keys.values()) == {1}, f"arrived twice by {channel}"
    assert {row["state"] for row in fingerprints.outbox().values()} <= {"sent", "expired"}

    raw, core, marts = (fingerprints.table_prints(schema) for schema in ("raw", "core", "marts"))
    again = chain.run("second")
    assert fingerprints.table_prints("raw") == raw
    assert fingerprints.table_prints("core") == core
    assert fingerprints.table_prints("marts") == marts
    assert again["decide"].n_planned == 0
    assert again["deliver"].n_sent == 0
    assert fingerprints.outside(platform) == arrived

    end = START.date() - timedelta(days=20)
    done = build.run("rebuild/1", "rebuild", end - timedelta(days=31), end)
    assert done
    assert fingerprints.table_prints("marts") == marts
    assert deliver().n_sent == 0
    assert fingerprints.outside(platform) == arrived


def test_every_record_of_the_sources_is_in_raw_once(platform: SandboxProcess) -> None:
    (Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config" / "settings.yaml").unlink()  # usage of all months is loaded
    for source in chain.SOURCES:
        pipeline.run(source, run_id="truth")
    vendors = ("hubspot", "zendesk", "product")
    tables = {name.partition("__")[2]: name for name in fingerprints.table_prints("raw") if name.startswith(vendors)}
    given = {entity for source in chain.SOURCES for entity in availability.judged(source)}
    assert len(given) > 12
    for entity, truth in platform.truth().items():
        if entity not in given:
            continue  # not mapped, so unavailable
        stored = _scalar(f'select count(*) from raw."{tables[entity]}" where not _is_deleted')
        quarantined = _scalar(
            f"select count(distinct record_id) from quarantine.record q where entity = '{entity}' and state = 'open'"
            f' and not exists (select from raw."{tables[entity]}" r where r.id = q.record_id)'
        )
        # Departed owners are kept: they still own accounts.
        expected = truth["live"] + (truth["deleted"] if entity == "owner" else 0)
        assert stored + quarantined == expected, entity


def test_red_support_desk_holds_only_its_readers(platform: SandboxProcess) -> None:
    _release_mail()
    platform.control("faults", vendor="zendesk", kind="status", status=403, path="*")
    with pytest.raises(PerennialError):
        pipeline.run("support", run_id="red")
    for source in ("crm", "product_db"):
        pipeline.run(source, run_id="red")
    build.run("build/red")
    from include.decide.decide import decide

    decided = decide("decide/red")
    assert decided.n_planned > 0
    assert deliver().n_sent > 0
    reads = {source for row in fingerprints.outbox().values() for source in row["reads"]}
    assert "support" not in reads


# Here with the vendors' own records. ``tests/models/test_build_properties.py`` and ``world.assert_equals_scratch``
# check the same for every kind of change, and ``test_vendors_to_raw.py`` that changed and deleted records arrive.
@pytest.mark.soak
def test_incremental_builds_equal_a_build_from_scratch(
    platform: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within one month: the first day of history depends on the month of the first build.
    first = START - timedelta(hours=54)
    platform.control("reset", at=first.isoformat(), product=True)
    platform.control("limits", lift=True)
    for hours in (0, 30, 54):
        _to(platform, monkeypatch, first + timedelta(hours=hours))
        if hours == 30:
            companies = platform.truth()["account"]["live_ids"]
            platform.mutate("company", companies[0], set={"tier": "small"})
            platform.mutate("company", companies[1], op="delete")
            tickets = platform.truth()["ticket"]["live_ids"]
            platform.mutate("ticket", tickets[-1], op="delete")
        for source in chain.SOURCES:
            pipeline.run(source, run_id=f"h{hours}")
        build.run(f"build/h{hours}")
    grown = {schema: fingerprints.table_prints(schema) for schema in ("core", "marts")}
    with engine("owner").begin() as connection:
        # Frozen tables record what was known and cannot be rebuilt.
        frozen = {name for name, model in registry.load().items() if model.metadata.materialisation == "frozen"}
        for schema in ("staging", "core", "marts"):
            for table in sa.inspect(connection).get_table_names(schema):
                if f"{schema}.{table}" in frozen:
                    continue
                connection.execute(sa.text(f'drop table if exists {schema}."{table}" cascade'))
        connection.execute(sa.text("delete from meta.build"))
    build.run("build/scratch")
    fresh = {schema: fingerprints.table_prints(schema) for schema in ("core", "marts")}
    for schema, tables in grown.items():
        differing = [name for name, print_ in tables.items() if fresh[schema][name] != print_]
        assert not differing, f"{schema}: {differing}"
