"""In any order and repetition of versions, the newest wins and every change is kept once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from include.warehouse.engine import engine
from tests.fixtures.landing import record, rows, store


@dataclass(frozen=True)
class Version:
    id: str
    at: int
    name: str | None
    is_deleted: bool = False

    def record(self):
        values = {} if self.is_deleted else {"name": self.name}
        return record(self.id, self.at, is_deleted=self.is_deleted, **values)


def versions() -> st.SearchStrategy[list[Version]]:
    """Histories of three records, with one version per timestamp."""
    one = st.builds(
        Version, st.sampled_from("123"), st.integers(0, 6), st.sampled_from(["a", "b", None]), st.booleans()
    )
    return st.lists(one, min_size=1, max_size=12, unique_by=lambda version: (version.id, version.at))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Version], list[list[Version]]]:
    """A history, and batches that contain each version at least once, in any order."""
    history = draw(versions())
    extra = draw(st.lists(st.sampled_from(history), max_size=6))
    stream = draw(st.permutations(history + extra))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return history, parts


@given(deliveries())
@settings(max_examples=40)
def test_newest_version_wins_in_any_order(raw: str, delivery: tuple[list[Version], list[list[Version]]]) -> None:
    history, parts = delivery
    with engine("owner").begin() as connection:
        connection.execute(
            sa.text("truncate raw.hubspot__account, raw.hubspot__account__version, meta.cursor, meta.batch cascade")
        )
    for part in parts:
        store(*(version.record() for version in part))

    newest = {version.id: version for version in sorted(history, key=lambda version: version.at)}
    stored = {
        id: (int(at), is_deleted)
        for id, at, is_deleted in rows(
            "select id, extract(epoch from _source_at - timestamptz '2026-01-01 00:00Z'), _is_deleted"
            " from raw.hubspot__account"
        )
    }
    assert stored == {id: (version.at, version.is_deleted) for id, version in newest.items()}
    names = dict(rows("select id, name from raw.hubspot__account where not _is_deleted"))
    assert names == {id: version.name for id, version in newest.items() if not version.is_deleted}

    # The last version of each record is stored, and no two consecutive versions are equal.
    history_of = rows("select id, _hash from raw.hubspot__account__version order by id, _batch_id")
    last = dict(history_of)
    assert last == dict(rows("select id, _hash from raw.hubspot__account"))
    assert all(one != next_one for one, next_one in itertools.pairwise(history_of))
    assert rows("select id from raw.hubspot__account__version group by id, _batch_id having count(*) > 1") == []


@given(deliveries())
@settings(max_examples=10)
def test_delivering_everything_again_in_order_changes_nothing(raw: str, delivery) -> None:
    history, parts = delivery
    for part in parts:
        store(*(version.record() for version in part))
    query = "select ctid::text, id, _hash, _batch_id from raw.hubspot__account order by id"
    before = rows(query)
    store(*(version.record() for version in sorted(history, key=lambda version: version.at)))
    assert rows(query) == before
