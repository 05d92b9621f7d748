"""Every rule is broken by its bad row or bad batch, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from include.cli.main import main
from include.contracts import catalogue, tracking_plan
from include.contracts.catalogue import of_entity, rules
from include.contracts.engine import Check, Table
from include.contracts.history import FEWEST_READS
from include.contracts.limits import Limits
from include.contracts.validate import BatchVerdict, validate
from include.entities.catalog import ENTITIES
from include.warehouse.engine import engine
from tests.contracts.bad_rows import BATCHES, COMMON, EDGES, ROWS, STORED, bad_row
from tests.contracts.landed import NOW, batch, fetch, good, land, source_of, store

LIMITS = Limits()
TARGETS = {
    "contact": ("account",),
    "account": ("owner",),
    "opportunity": ("account", "contract_line"),
    "organization": ("account",),
    "product_account": ("account",),
    "contract_line": ("account", "opportunity"),
    "activity": ("account",),
    "invoice": ("account",),
    "lead": ("account",),
    "survey_response": ("account",),
    "milestone": ("account",),
    "objective": ("account",),
    "support_user": ("organization",),
    "ticket": ("organization",),
    "rating": ("ticket",),
    "ticket_event": ("ticket",),
    "product_user": ("product_account",),
    "usage_day": ("product_account",),
    "seat_day": ("product_account",),
}


def _names(entity: str, scope: str) -> list[str]:
    # Rules of the tracking plan need one; test_tracking_plan gives it to them.
    planned = {rule.id for rule in tracking_plan.rules()}
    return [rule.id.split(".")[2] for rule in of_entity(entity) if rule.scope == scope and rule.id not in planned]


def _verdict(batch_id: int, source: str) -> BatchVerdict:
    return next(verdict for verdict in validate(source) if verdict.batch_id == batch_id)


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_rule_has_a_bad_row_or_batch(entity: str) -> None:
    common = {name for name in COMMON if name != "created_at_not_in_future" or "created_at" in _columns(entity)}
    assert set(_names(entity, "row")) == common | set(ROWS[entity])
    assert {*_names(entity, "batch"), *_names(entity, "feature")} <= set(BATCHES)


def _columns(entity: str) -> tuple[str, ...]:
    return ENTITIES[entity].column_names


@pytest.mark.parametrize("entity", ENTITIES)
def test_bad_row_breaks_exactly_its_rule(warehouse: str, entity: str) -> None:
    names = _names(entity, "row")
    for target in TARGETS.get(entity, ()):
        store(target, good(target))
    edges = [row | edge for row in good(entity) for edge in [{}, *EDGES.get(entity, [])]]
    rows = [{**good(entity)[0], "id": f"x{n}", **bad_row(entity, name)} for n, name in enumerate(names)]
    if "opportunity_present" in names:  # a line that had a deal: one that never had belongs to no account
        store(entity, [good(entity)[0] | {"id": f"x{names.index('opportunity_present')}"}])
    expected: dict[str, set[int]] = {name: set() for name in names}
    for number, (name, row) in enumerate(zip(names, rows, strict=True), start=len(edges) + 1):
        for broken in (name, *row.pop("_also", ())):
            expected[broken].add(number)
    deleted = [{"id": "gone", "_is_deleted": True}]
    batch_id = land(entity, edges + rows + deleted, is_first_load=True)

    verdict = _verdict(batch_id, source_of(entity))

    critical = {rule.id.split(".")[2] for rule in of_entity(entity) if rule.severity == "critical"}
    assert verdict.state == "passed"
    # Rows derived from the same good row share its id, which is reported for a database.
    assert {broken.rule_id.split(".")[2] for broken in verdict.broken} - {"id_once"} == set(names)
    assert _found(entity, batch_id) == expected
    assert _quarantined(batch_id) == {name: numbers for name, numbers in expected.items() if name in critical}
    failed = {
        row["_row"]: row["_failed"] for row in fetch(f"select * from raw.batch_{batch_id} where _failed <> '{{}}'")
    }
    kind = ENTITIES[entity].kind
    assert failed == {n: [f"{kind}.{entity}.{name}"] for name in critical & set(names) for n in expected[name]}
    assert verdict.n_quarantined == len(failed) == batch(batch_id)["n_quarantined"]


def _found(entity: str, batch_id: int) -> dict[str, set[int]]:
    """Return rule -> failing rows, warnings included, as named by Great Expectations."""
    from include.contracts import history

    with engine("loader").begin() as connection:
        known = history.facts(connection, _row(batch_id))
    table = Table(engine("loader"), table=f"batch_{batch_id}", n_rows=known.n_rows)
    made = [Check(rule, rule.expect(known)) for rule in of_entity(entity) if rule.scope == "row"]
    found = {}
    for outcome in table.check(made):
        rows = table.sample(outcome.check)
        numbers = {row["_row"] for row in rows} if rows else set(table.bad_rows(outcome))
        found[outcome.check.rule.id.split(".")[2]] = numbers
    return found


def _row(batch_id: int) -> Any:
    return batch(batch_id)


def _quarantined(batch_id: int) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for row in fetch("select rule_id, row_no from quarantine.record where batch_id = :id", id=batch_id):
        found.setdefault(row["rule_id"].split(".")[2], set()).add(row["row_no"])
    return found


def test_lines_of_a_contract_without_a_deal_are_judged_and_those_of_quotes_are_not(warehouse: str) -> None:
    store("account", good("account"))
    line = good("contract_line")[0] | {"opportunity_id": None}
    priceless = {"amount": None, "unit_price": None}
    rows = [
        line | {"id": "1", "contract_id": "9"},
        line | {"id": "2", "contract_id": "9"} | priceless,
        line
        | {"id": "3", "contract_id": "9", "amount": None, "unit_price": 5, "quantity": None, "is_flat_price": True},
        line | {"id": "4"} | priceless,
    ]
    batch_id = land("contract_line", rows, is_first_load=True)
    assert _verdict(batch_id, "crm").state == "passed"
    assert _quarantined(batch_id) == {"amount_present": {2}}


def test_overage_is_not_part_of_the_deal_amount(warehouse: str) -> None:
    beyond = {"id": "beyond", "amount": 500, "is_overage": True}
    store("account", good("account"))
    store("contract_line", [*good("contract_line", 2), good("contract_line")[0] | beyond])
    # With this read the second deal's line turns out to be overage.
    land("contract_line", [good("contract_line", first=3)[0] | beyond | {"id": "2", "opportunity_id": "2"}])
    deals = [good("opportunity")[0], good("opportunity", first=2)[0] | {"amount": 1}]
    assert _verdict(land("opportunity", deals), source_of("opportunity")).broken == ()


@pytest.mark.parametrize("entity", ENTITIES)
def test_bad_batch_breaks_exactly_its_rule(warehouse: str, entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the row rule used by the bad batch: the other row rules have their own tests and cost time.
    wanted = [r for r in of_entity(entity) if r.scope in ("batch", "feature") or r.id.endswith(".castable")]
    monkeypatch.setattr(catalogue, "of_entity", lambda name: tuple(wanted))
    for target in TARGETS.get(entity, ()):
        store(target, good(target))
    store(entity, good(entity, STORED))
    for _ in range(FEWEST_READS):
        land(entity, [], state="merged", n_rows=10, merged_at=NOW)
    names = _names(entity, "batch") + _names(entity, "feature")
    batches = {name: BATCHES[name](entity) for name in names}
    usual = land(entity, good(entity, LIMITS.vanished_rows))

    verdicts = {verdict.batch_id: verdict for verdict in validate(source_of(entity))}

    of_batch = {rule.id: rule for rule in of_entity(entity) if rule.scope in ("batch", "feature")}
    for name, batch_id in batches.items():
        broken = [b.rule_id.split(".")[2] for b in verdicts[batch_id].broken if b.rule_id in of_batch]
        assert broken == [name]
        rule = next(rule for rule_id, rule in of_batch.items() if rule_id.endswith(f".{name}"))
        is_held = rule.severity == "critical" and rule.scope == "batch"
        assert verdicts[batch_id].state == ("held" if is_held else "passed")
        assert batch(batch_id)["state"] == ("held" if is_held else "closed")
        assert (rule.says in batch(batch_id)["hold_reason"]) == is_held
    assert verdicts[usual].state == "passed" and verdicts[usual].broken == ()


def test_batch_just_within_its_bounds_passes(warehouse: str) -> None:
    store("owner", good("owner"))
    store("account", good("account", STORED))
    for _ in range(FEWEST_READS):
        land("account", [], state="merged", n_rows=10, merged_at=NOW)
    spoiled = [
        row | ({"_problems": ["x=y"]} if n < LIMITS.bad_rows else {}) for n, row in enumerate(good("account", 100))
    ]
    land("account", spoiled)
    land("account", [row | {"industry": None} for row in good("account", LIMITS.vanished_rows - 1)])
    land("account", [{"id": row["id"], "_is_deleted": True} for row in good("account", LIMITS.deleted_rows)])
    land("account", good("account", LIMITS.new_rows, first=STORED + 1))
    land("account", good("account", STORED) * (LIMITS.unusual_rows // STORED))
    assert [[b for b in v.broken if not b.rule_id.endswith(".castable")] for v in validate("crm")] == [[]] * 5


def test_rules_state_condition_reason_and_cure() -> None:
    for rule in rules():
        assert rule.says and rule.why and rule.cure and rule.owner, rule.id
        assert not rule.says[0].isupper() and not rule.says.endswith("."), rule.id
    assert len(rules()) >= 80


def test_command_lists_every_rule_on_its_own_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contracts"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["id", "severity", "scope", "owner", "why", "cure"]
    assert [line.split()[0] for line in lines] == [rule.id for rule in rules()]
