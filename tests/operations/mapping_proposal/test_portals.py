"""Proposals for portals of different styles. It was developed on seven; the others were added later.

``python -m pytest -s`` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from include.config.documents import read as read_document
from include.config.documents import validate
from include.connectors.mapping import MappingDocument
from include.operations.mapping_proposal.propose import propose, rule_of
from include.operations.mapping_proposal.words import SOUGHT
from include.operations.mapping_proposal.write import mapping_file, summary
from tests.operations.mapping_proposal.measured import measure
from tests.operations.mapping_proposal.portals import CPQ, SEVEN, THREE, THREE_MORE, german_deals
from tests.operations.mapping_proposal.rare_words import RARE
from tests.operations.mapping_proposal.world import DAY, Case, choice, hubspot, prop, sold, with_dirty_records

PORTALS = (*SEVEN, *THREE, *THREE_MORE, *RARE, *CPQ)


@pytest.mark.parametrize("make", PORTALS, ids=lambda make: make.__name__)
def test_nine_of_ten_columns_are_right_and_no_active_one_is_wrong(make: Callable[[], Case]) -> None:
    found = measure(make())
    print(f"\n{found}")
    assert not found.wrong
    assert found.share >= 0.9


@pytest.mark.parametrize("make", PORTALS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("seed", [1, 2])
def test_realistic_dirty_records_do_not_change_the_proposal(make: Callable[[], Case], seed: int) -> None:
    found = measure(with_dirty_records(make(), seed))
    assert not found.wrong, found
    assert found.share >= 0.8, found


@pytest.mark.parametrize("make", PORTALS, ids=lambda make: make.__name__)
def test_proposed_file_explains_decisions_without_record_data(make: Callable[[], Case], tmp_path) -> None:
    portal = make().portal
    persons = ("erika.mustermann@example.com", "Erika Mustermann", "+49 170 1234567")
    for entity in ("contact", "account", "opportunity"):
        # No person named in a record's text may appear, whatever column the text looks like.
        for row in portal.rows.get(entity, []):
            for number, one in enumerate(prop_ for prop_ in portal.schema[entity].values() if prop_.kind == "text"):
                row.values.setdefault(one.name, persons[number % 3])  # type: ignore[attr-defined]
    proposal = propose(portal)
    path = tmp_path / "crm.yaml"
    path.write_text(mapping_file(proposal, "crm"))
    read = validate(read_document(path), MappingDocument)
    for entity in ("account", "contact", "opportunity", "contract_line"):
        in_force = {
            one.column: rule_of(one)
            for one in proposal.decisions
            if one.entity == entity and one.confidence != "unsure" and not one.column.startswith("~")
        }
        assert (dict(read.entities[entity].columns) if entity in read.entities else {}) == in_force
    text = path.read_text()
    assert "Erika" not in text and "Mustermann" not in text and "1234567" not in text
    assert all(len(line) <= 120 for line in text.splitlines() if line.lstrip().startswith("#"))


@pytest.mark.parametrize("n_persons", [3, 1000])
@pytest.mark.parametrize("word", ["Renewal", "Yes", "annually"])
def test_texts_with_person_names_are_never_shown(n_persons: int, word: str) -> None:
    made = hubspot(25)
    names: dict[str, list[str]] = {}
    for number, one in enumerate(SOUGHT):
        name = f"own_{number}"
        made.add(one.entity, prop(name, one.phrases[0]))
        names.setdefault(one.entity, []).append(name)
    for number in range(60):
        person = f"{word} Erika Mustermann{number % n_persons} 0170 {number % n_persons}"
        given = {entity: dict.fromkeys(mine, person) for entity, mine in names.items()}
        id_ = str(100 + number)
        made.row("account", id_, lifecyclestage="customer", **given["account"])
        made.row("contact", id_, **given["contact"])
        made.row("opportunity", id_, id_, hs_is_closed_won=True, **given["opportunity"])
        made.row("contract_line", id_, id_, **given["contract_line"])
    proposal = propose(made.portal())
    text = mapping_file(proposal, "crm") + summary(proposal)
    assert "A" * 5 in text
    assert "Erika" not in text and "Mustermann" not in text and "0170" not in text


def test_large_portals_with_many_properties_give_the_same_proposal() -> None:
    case = german_deals()
    for entity, known in case.portal.schema.items():
        for number in range(200):
            known[f"eigenes_{number}"] = prop(
                f"eigenes_{number}", f"Eigenes Feld {number}", "date" if number % 2 else "number"
            )
        assert len(case.portal.schema[entity]) > 200
    assert propose(case.portal).decisions == propose(german_deals().portal).decisions


def test_two_candidate_properties_for_a_column_raise_a_question() -> None:
    made = hubspot(20)
    made.add(
        "account",
        prop("arr", "ARR", "number"),
        prop("renewal_a", "Renewal date", "date"),
        prop("renewal_b", "Renewal date CRM", "date"),
    )
    for s in sold(made.rng, 40, (12,)):
        made.row(
            "account", s.company, arr=s.yearly, renewal_a=s.end, renewal_b=s.end + 45 * DAY, lifecyclestage="customer"
        )
    proposal = propose(made.portal())
    asked = next(one for one in proposal.decisions if one.column == "renewal_date")
    assert proposal.of("account", "renewal_date") is None
    assert "renewal_a or renewal_b" in asked.question or "renewal_b or renewal_a" in asked.question


def test_dates_typed_as_text_raise_a_question() -> None:
    made = hubspot(21)
    made.add("opportunity", prop("vertragsende", "Vertragsende"), prop("vertragsbeginn", "Vertragsbeginn", "date"))
    for s in sold(made.rng, 40, (12,)):
        made.row(
            "opportunity",
            s.deal,
            s.company,
            hs_is_closed_won=True,
            amount=s.whole,
            vertragsende=f"{s.end:%d.%m.%Y}",
            vertragsbeginn=s.start,
        )
    asked = next(one for one in propose(made.portal()).decisions if one.column == "term_end")
    assert (asked.confidence, "make it a property of type date" in asked.question) == ("unsure", True)


def test_unexplained_amounts_raise_a_question() -> None:
    made = hubspot(22)
    made.add(
        "opportunity", prop("start", "Contract start", "date"), prop("months", "Contract length in months", "number")
    )
    for number in range(40):
        made.row(
            "opportunity",
            str(900 + number),
            str(number),
            hs_is_closed_won=True,
            closedate="2025-01-01",
            amount=made.rng.randrange(1000, 90000),
            start="2025-01-01",
            months=made.rng.choice((12, 24, 36)),
        )
    proposal = propose(made.portal())
    asked = next(one for one in proposal.decisions if one.column == "amount_per")
    assert (asked.confidence, "cover the whole term, a year or a month" in asked.question) == ("unsure", True)


def test_unknown_deal_type_raises_a_question() -> None:
    made = hubspot(23)
    made.add("opportunity", choice("kind", "Deal type", {"new": "New", "blue": "Blue", "green": "Green"}))
    for number in range(30):
        made.row(
            "opportunity",
            str(900 + number),
            str(number),
            hs_is_closed_won=True,
            kind=made.rng.choice(("new", "blue", "green")),
        )
    asked = next(one for one in propose(made.portal()).decisions if one.column == "opportunity_type")
    assert asked.confidence == "unsure" and "blue" in asked.question and "green" in asked.question


def test_missing_column_states_its_consequence() -> None:
    made = hubspot(24)
    made.row("account", "1", lifecyclestage="customer")
    missing = propose(made.portal()).missing
    assert missing["opportunity.notice_months"] == "alerts count back from the due date, not from the notice deadline"
    assert missing["contracts"] == "no contracts were found: no ARR, no renewals"
