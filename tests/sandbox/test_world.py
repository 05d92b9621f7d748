"""The world is deterministic by seed, hides its causes, and contains a limited amount of dirt."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from include.sandbox.world.build import World, build
from include.sandbox.world.records import millis

ANCHOR = date(2026, 6, 30)


@pytest.fixture(scope="module")
def world() -> World:
    return build(7, ANCHOR)


def test_same_seed_same_bytes_in_another_process(world: World) -> None:
    script = "from datetime import date; from include.sandbox.world.build import build;"
    script += "print(build(7, date(2026, 6, 30)).fingerprint())"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env={"PYTHONHASHSEED": "99"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == world.fingerprint()


def test_another_seed_gives_another_world(world: World) -> None:
    assert build(8, ANCHOR, 24).fingerprint() != build(7, ANCHOR, 24).fingerprint()


def test_size_at_the_anchor(world: World) -> None:
    now = millis(ANCHOR)
    counts = Counter(record.kind for record in world.records if record.at <= now)
    assert 225 <= sum(customer.signed <= ANCHOR for customer in world.customers) <= 255
    assert 1_000 <= counts["ticket"] <= 3_000
    assert 200_000 <= int((world.usage.first_at <= now).sum()) <= 500_000


@pytest.mark.parametrize("seed", [1, 2])
def test_a_quarter_of_churn_is_silent_and_retained_customers_show_symptoms(seed: int) -> None:
    customers = build(seed, ANCHOR).customers
    causes = Counter(customer.cause for customer in customers if customer.cause)
    assert causes["silent"] * 4 >= sum(causes.values())
    stayers = Counter(symptom.cause for c in customers if c.left is None for symptom in c.symptoms)
    for cause, n_leavers in causes.items():
        if cause != "silent":
            assert stayers[cause] >= n_leavers, cause


def test_world_continues_after_the_anchor(world: World) -> None:
    week = millis(ANCHOR), millis(ANCHOR + timedelta(days=7))
    kinds = {record.kind for record in world.records for change in record.changes if week[0] < change.at <= week[1]}
    assert {"deal", "line_item", "contact", "ticket", "comment", "member"} <= kinds


def test_dirt_exists_and_is_old(world: World) -> None:
    limit = millis(ANCHOR - timedelta(days=6))
    lines = [(r, c.values) for r in world.records if r.kind == "line_item" for c in r.changes]
    unpriced = [r for r, values in lines if values.get("amount") is None]
    swapped = [
        r for r, values in lines
        if values.get("term_start") and values.get("term_last_day") and values["term_last_day"] < values["term_start"]
    ]  # fmt: skip
    stray = [r for r in world.records if r.kind == "contact" and r.changes[0].values["company"] is None]
    assert (len(unpriced), len(swapped), len(stray)) == (2, 2, 4)
    assert all(record.at < limit for record in [*unpriced, *swapped, *stray])


def test_world_shows_the_contract_cases(world: World) -> None:
    terms = [term for c in world.customers for contract in c.contracts for term in contract.terms]
    renewals = Counter(term.renewal for term in terms if term.closes and term.closes < ANCHOR)
    assert set(renewals) == {"early", "on_time", "in_grace", "after_grace", "auto", "lost"}
    assert any(term.cut for term in terms) and any(term.expands for term in terms)
    months = {contract.months for c in world.customers for contract in c.contracts}
    assert months == {1, 6, 12, 24, 36}


def test_references_point_to_records_of_the_right_kind(world: World) -> None:
    ids = {kind: {r.id for r in world.records if r.kind == kind} for kind in {r.kind for r in world.records}}
    kinds = ("company", "deal", "owner", "organization", "ticket", "workspace")
    for record in world.records:
        for change in record.changes:
            for name in kinds:
                value = change.values.get(name)
                assert value is None or value in ids[name], (record.kind, record.id, name)


def test_truth_lists_other_problems_visible_in_the_records(world: World) -> None:
    late = set()
    for record in (r for r in world.records if r.kind == "invoice"):
        values = record.changes[0].values
        ends = [change.values for change in record.changes[1:]]
        # A payment on Monday for a Saturday due date is not late.
        if not any(e["status"] == "voided" or e["paid"] <= values["due"] + timedelta(days=2) for e in ends):
            late.add((values["company"], values["due"]))
    troubles = [(customer, trouble) for customer in world.customers for trouble in customer.troubles]
    assert {trouble.kind for _, trouble in troubles} == {"unpaid", "behind", "person_gone", "unlinked"}
    assert {(c.company.id, t.start) for c, t in troubles if t.kind == "unpaid" and c.company} == late
    members = {r.changes[0].values["email"]: r for r in world.records if r.kind == "member"}
    for customer, trouble in troubles:
        if trouble.kind == "person_gone":
            email = next(email for _, record, email in customer.contacts if record is trouble.about)
            assert any(change.values.get("deactivated_at") for change in members[email].changes)


def test_symptom_is_shown_only_if_it_had_an_effect(world: World) -> None:
    at_desk = {r.changes[0].values["belongs_to"] for r in world.records if r.kind == "organization"}
    symptoms = [(customer, symptom) for customer in world.customers for symptom in customer.symptoms]
    assert any(not symptom.is_shown for _, symptom in symptoms)
    for customer, symptom in symptoms:
        if symptom.cause in ("support_pain", "competitor"):
            assert customer.company
            assert symptom.is_shown == (customer.company.id in at_desk)
