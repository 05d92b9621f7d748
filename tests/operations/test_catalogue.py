"""The catalogue names an owner, a sensitivity and a retention for every dataset."""

from __future__ import annotations

from include.entities.catalog import ENTITIES
from include.models import registry
from include.operations import catalogue


def test_every_entity_and_table_is_listed_once_with_an_owner() -> None:
    names = [one.name for one in catalogue.datasets()]
    assert len(set(names)) == len(names)
    assert {name.partition(".")[2] for name in names} >= set(ENTITIES)
    assert set(names) >= set(registry.load())
    assert all(one.owner for one in catalogue.datasets())


def test_columns_that_identify_a_person_make_a_dataset_personal() -> None:
    by_name = {one.name: one for one in catalogue.datasets()}
    assert (by_name["crm.contact"].sensitivity, "email" in by_name["crm.contact"].personal) == ("personal", True)
    assert by_name["marts.account_health"].sensitivity == "internal"
    assert by_name["ops.evaluation"].kept_days == 30
    lines = by_name["ops.touch_contact lines"]
    assert (lines.sensitivity, lines.kept_days) == ("personal", 180)


def test_records_with_names_and_notes_are_personal_and_kept_until_erased() -> None:
    by_name = {one.name: one for one in catalogue.datasets()}
    for name in ("ops.customer_report", "ops.episode", "meta.request_entry", "meta.discount_request", "ops.outbox"):
        assert (by_name[name].sensitivity, by_name[name].kept_days) == ("personal", None)
    assert by_name["ops.evaluation"].sensitivity == "personal"
    assert by_name["meta.health_override"].sensitivity == "internal"


def test_definitions_in_force_have_versions() -> None:
    kinds = {one.kind for one in catalogue.definitions()}
    assert kinds == {"metric", "health profile", "signal", "playbook", "tracking plan"}
    assert all(one.version >= 1 for one in catalogue.definitions())
