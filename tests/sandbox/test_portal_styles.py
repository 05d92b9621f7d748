"""Portals of all styles record the same true contracts, each with its typical content."""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import cache
from typing import Any

import pytest
import yaml

from include.connectors.mapping import EntityMapping
from include.sandbox import mapping, truth
from include.sandbox.hubspot.schema import OBJECT_TYPES, OF_STYLE
from include.sandbox.world.build import PORTAL_STYLES, World, build
from include.sandbox.world.records import Record

ANCHOR = date(2026, 6, 30)
SEED, CUSTOMERS = 5, 120


@cache
def world(style: str) -> World:
    return build(SEED, ANCHOR, CUSTOMERS, style)


def of_kind(style: str, kind: str) -> list[Record]:
    return [record for record in world(style).records if record.kind == kind]


def values(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for change in record.changes:
        found |= change.values
    return found


def test_all_styles_except_the_ideal_one_record_the_same_contracts() -> None:
    assert build(SEED, ANCHOR, 12, "found").fingerprint() == build(SEED, ANCHOR, 12, "found").fingerprint()
    told = {
        style: [
            (term.contract, term.due, term.arr, term.outcomes)
            for term in truth.terms(world(style).customers, ANCHOR)
        ]
        for style in PORTAL_STYLES
    }  # fmt: skip
    assert told["found"] == told["deals"] == told["companies"] != told["ideal"]
    outcomes = Counter("/".join(sorted(outcomes)) for *_, outcomes in told["found"])
    assert {"early", "on_time", "in_grace", "after_grace", "auto", "lost", "open", "restarted"} <= set(outcomes)


def test_truth_follows_each_customer_by_day() -> None:
    customers = world("found").customers
    steps = truth.arr_steps(customers, ANCHOR)
    active = {c.company.id for c in customers if c.company and c.is_active(ANCHOR) and c.signed < ANCHOR}
    assert len(active & steps.keys()) >= 0.9 * len(active)
    assert all(days == sorted(days) for days in ([day for day, _ in each] for each in steps.values()))
    assert all(arr >= 0 for each in steps.values() for _, arr in each)
    continued = [term for term in truth.terms(customers, ANCHOR) if term.continued_by]
    assert continued and all(deal.kind == "deal" for term in continued for deal in term.continued_by)


def test_portal_as_found_contains_typical_portal_content() -> None:
    deals, lines = of_kind("found", "deal"), of_kind("found", "line_item")
    won = [deal for deal in deals if values(deal).get("is_won")]
    assert Counter(deal.changes[0].values["kind"] for deal in deals).keys() >= {None, "Upsell", "renewal"}
    assert 0.3 < sum(deal.changes[0].values["contract_number"] is None for deal in won) / len(won) < 0.9
    assert any(deal.changes[0].values.get("renews") for deal in won)
    assert any(deal.changes[0].values["company"] is None for deal in won)
    assert any(values(line)["deal"] is None for line in lines)
    assert any(values(line)["quantity"] < 0 and values(line)["amount"] < 0 for line in lines)
    assert any(values(line)["amount"] == 0 for line in lines)
    assert any(term.others for c in world("found").customers for each in c.contracts for term in each.terms)
    assert any("term_start" in change.values for line in lines for change in line.changes[1:])
    terms = [term for c in world("found").customers for contract in c.contracts for term in contract.terms]
    assert any(term.shortened for term in terms) and any(term.renewal == "consolidated" for term in terms)
    assert any(term.replaced_from for term in terms) and any(term.free_months for term in terms)


def test_deals_without_line_items_have_amount_and_length() -> None:
    won = [values(deal) for deal in of_kind("deals", "deal") if values(deal).get("is_won")]
    assert won and all(deal["term_months"] or deal["contract_end"] for deal in won)
    assert all(deal["contract_number"] is None and deal["kind"] is None for deal in won)
    assert not [line for line in of_kind("deals", "line_item") if values(line)["amount"] is not None]


def test_companies_are_overwritten_at_each_renewal() -> None:
    assert not of_kind("companies", "deal") and not of_kind("companies", "line_item")
    dates = [
        [change.values["renewal_date"] for change in company.changes if "renewal_date" in change.values]
        for company in of_kind("companies", "company")
    ]
    assert max(map(len, dates)) > 3
    assert any(values(company).get("customer_status") == "churned" for company in of_kind("companies", "company"))


def test_agents_leave_and_some_conversations_have_no_comments() -> None:
    users = of_kind("found", "support_user")
    assert sum(values(user)["role"] == "end-user" != user.changes[0].values["role"] for user in users) == 2
    talks = [t for t in of_kind("found", "ticket") if t.changes[0].values["channel"] == "native_messaging"]
    desk = {user.id for user in users if user.changes[0].values["role"] != "end-user"}
    authors = {values(comment)["author"] for comment in of_kind("found", "comment")
               if values(comment)["ticket"] in {talk.id for talk in talks}}  # fmt: skip
    assert talks and not authors & desk
    assert all(values(talk).get("first_reply_seconds") and not values(talk).get("first_reply") for talk in talks)


@pytest.mark.parametrize("style", PORTAL_STYLES)
def test_portal_mapping_names_existing_properties(style: str) -> None:
    entities = yaml.safe_load(mapping.of_style(style))["entities"]
    for entity, name in (("account", "companies"), ("opportunity", "deals"), ("contract_line", "line_items")):
        has = {each for each in OBJECT_TYPES[name].properties if style in OF_STYLE.get((name, each), (style,))}
        assert set(EntityMapping.model_validate(entities[entity]).fills()) <= has
