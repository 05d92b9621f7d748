"""Findings of ``connect check`` on mappings that agree or disagree with the CRM's own figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from include.config.documents import read as read_document
from include.config.documents import validate
from include.connectors.mapping import MappingDocument, MappingFile
from include.operations.connection_check.contracts import findings, read_sample
from include.operations.connection_check.finding import Line
from include.operations.mapping_proposal.propose import propose
from include.operations.mapping_proposal.write import mapping_file
from tests.operations.mapping_proposal.portals import (
    chinese_company,
    english_deals_in_years,
    english_lines,
    german_lines_and_companies,
    salesforce_cpq,
)
from tests.operations.mapping_proposal.world import Case

ARR, LINES, DEALS = "contracts: ARR", "contracts: contract_line amounts", "contracts: opportunity amounts"


def found(case: Case, tmp_path: Path, text: str) -> dict[str, Line]:
    path = tmp_path / "crm.yaml"
    path.write_text(text)
    document = read_document(path)
    mapping = MappingFile(document, validate(document, MappingDocument).entities)
    return {line.what: line for line in findings("crm", read_sample(case.portal, mapping))}


def text_of(case: Case) -> str:
    return mapping_file(propose(case.portal), "crm")


def test_crm_arr_is_compared_with_ours(tmp_path: Path) -> None:
    case = english_lines()
    line = found(case, tmp_path, text_of(case))[ARR]
    assert line.state == "ok"
    assert "0 differ by more than 1%" in line.found and "hs_arr" in line.found


def test_misinterpreted_amount_is_reported_with_its_cure(tmp_path: Path) -> None:
    case = english_lines()
    lines = found(case, tmp_path, text_of(case).replace("amount_per: {always: period}", "amount_per: {always: term}"))
    assert lines[LINES].state == "warning" and "`amount_per: {always: period}`" in lines[LINES].to_fix
    assert lines[ARR].state == "warning" and "differ by more than 1%" in lines[ARR].found and lines[ARR].to_fix


@pytest.mark.parametrize(("wrong", "reason"), [("month", "twelve times"), ("term", "by whole years")])
def test_likely_reason_of_a_difference_is_reported(tmp_path: Path, wrong: str, reason: str) -> None:
    case = english_deals_in_years()
    right = text_of(case)
    assert found(case, tmp_path, right)[ARR].state == "ok"
    lines = found(case, tmp_path, right.replace("amount_per: {always: year}", f"amount_per: {{always: {wrong}}}"))
    assert reason in lines[ARR].to_fix or reason in lines[ARR].found
    assert "`amount_per: {always: year}`" in lines[DEALS].to_fix


def test_amounts_of_several_periods_are_reported_by_the_commonest(tmp_path: Path) -> None:
    case = salesforce_cpq()
    lines = case.portal.rows["contract_line"]
    for one in lines[:4]:
        values = {**one.values, "SBQQ__SubscriptionType__c": "Evergreen", "SBQQ__EndDate__c": None}
        lines.append(replace(one, id=f"{one.id}e", values=values))
    line = found(case, tmp_path, text_of(case))[LINES]
    assert line.state == "ok" and line.found.startswith("read as per term;")


def test_end_dates_off_by_a_day_are_reported_in_both_directions(tmp_path: Path) -> None:
    case = german_lines_and_companies()
    right = text_of(case)
    assert found(case, tmp_path, right)["contracts: contract_line terms"].state == "ok"
    less = found(
        case, tmp_path, right.replace("{property: leistungszeitraum_bis, add_days: 1}", "leistungszeitraum_bis")
    )
    assert "write add_days: 1" in less["contracts: contract_line terms"].to_fix
    more = found(case, tmp_path, right.replace("add_days: 1", "add_days: 2"))
    assert "remove add_days" in more["contracts: contract_line terms"].to_fix


def test_company_contracts_are_counted(tmp_path: Path) -> None:
    case = chinese_company()
    line = found(case, tmp_path, text_of(case))[ARR]
    running = [row.values["arr_cny"] for row in case.portal.rows["account"]
               if row.values.get("xuyue_riqi", "") > str(case.portal.today)]  # fmt: skip
    assert f"ARR of {len(running)} companies" in line.found and f"({len(running)} companies)" in line.found


def test_company_arr_is_compared_with_line_items(tmp_path: Path) -> None:
    case = german_lines_and_companies()
    line = found(case, tmp_path, text_of(case))[ARR]
    assert "companies' arr_aktuell" in line.found


def test_mapping_without_contracts_is_reported(tmp_path: Path) -> None:
    text = "entities: {account: {columns: {name: name}}, opportunity: {columns: {amount: amount}}}"
    line = found(english_lines(), tmp_path, text)["contracts"]
    assert line.state == "warning" and "connect propose crm" in line.to_fix
