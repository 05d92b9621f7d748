import re
from datetime import date
from pathlib import Path

import pytest

from include.common.errors import ConfigError
from include.connectors.crm.hubspot.resources import ENTITIES_MAPPED
from include.connectors.durations import months_of
from include.connectors.mapping import ColumnRule, Mapper, load_mapping
from include.entities.catalog import ENTITIES

# No CRM has standard fields for pauses: they need custom fields.
UNCOMMON = {
    "is_overage", "paused_on", "resumed_on", "is_evergreen", "amount_per", "billing_frequency", "term_months",
    "replaces_id", "unit_price", "is_flat_price", "contract_id", "change_amount", "recurs_by_term",
}  # fmt: skip
# Contracts stored in fields of deals or companies; brand and referrals are custom fields.
ON_DEALS = {
    "renews_id", "term_start", "term_end", "term_months", "amount_per", "change_amount", "is_evergreen", "is_ended",
    "is_paused", "competitors",
}  # fmt: skip
ON_COMPANIES = {
    "contract_arr", "contract_mrr", "contract_start", "renewal_date", "contract_status", "contract_currency",
    "crm_account_id", "brand", "referrals", "reference_consent", "reference_asked_on",
}  # fmt: skip
CRM = ("account", "contact", "opportunity", "contract_line")


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config" / "mappings").mkdir(parents=True)
    return tmp_path / "config" / "mappings" / "hubspot.yaml"


def test_shipped_mapping_fills_every_column_not_set_by_associations() -> None:
    file = load_mapping("hubspot.yaml", ENTITIES_MAPPED)
    mapped = {name: [set(part.columns) for part in file.parts(name).values()] for name in file.entities}
    missing = {name: set(ENTITIES[name].column_names) - set.union(*parts) for name, parts in mapped.items()}
    assert missing == {
        "account": {"merged_into", "language", *ON_COMPANIES},  # Salesforce expresses a merge in this direction
        "contact": {"account_id", "language", "region", "is_opted_out", "has_bounced", "consent"},
        "opportunity": {"account_id", *ON_DEALS},
        "contract_line": {
            "opportunity_id",
            "account_id",
            *UNCOMMON - {"amount_per", "billing_frequency", "term_months"},
        },
        "lead": {"account_id", "referred_by_id"},
        "activity": {"account_id", "contact_id", "duration_minutes"},  # it includes milliseconds
        "invoice": {"account_id", "contract_number"},
        "survey_response": {"account_id", "contact_id"},
    }


def test_shipped_salesforce_cpq_mapping_loads_and_reads_a_renewal() -> None:
    file = load_mapping("salesforce_cpq.yaml", [*CRM, "owner"])
    assert file.entities["contract_line"].object == "SBQQ__Subscription__c"
    deal = Mapper(ENTITIES["opportunity"], file.entities["opportunity"].columns)
    assert deal.record("1", {"SBQQ__Renewal__c": True}, None).values["opportunity_type"] == "renewal"


def test_shipped_salesforce_mapping_fills_the_expected_columns() -> None:
    file = load_mapping("salesforce.yaml", [*CRM, "owner", "lead", "activity"])
    missing = {
        f"{name} {part}".strip(): set(ENTITIES[name].column_names) - set(mapping.columns)
        for name in file.entities
        for part, mapping in file.parts(name).items()
    }
    assert {name: columns for name, columns in missing.items() if columns} == {
        "account": {"merged_ids", "merged_into", "language", *ON_COMPANIES},
        "contact": {"other_emails", "language", "region", "is_opted_out", "has_bounced", "consent"},
        "opportunity": ON_DEALS,
        "contract_line": UNCOMMON,
        "lead": {
            "last_channel",
            "last_touch_at",
            "campaign",
            "referred_by_id",
            "qualified_at",
            "sales_qualified_at",
        },
        "activity Task": {"duration_minutes"},
        "activity Event": {"direction", "outcome"},
    }


@pytest.mark.parametrize(
    ("at", "is_past"), [("2026-06-30T11:59:59Z", True), ("2026-06-30T12:00:01Z", False), ("", None)]
)
def test_mapped_moment_that_has_passed(at: str, is_past: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", "2026-06-30T12:00:00Z")
    mapper = Mapper(ENTITIES["activity"], {"is_completed": ColumnRule(property="EndDateTime", is_past=True)})
    assert mapper.record("1", {"EndDateTime": at}, None).values == {"is_completed": is_past}


@pytest.mark.parametrize(
    ("address", "host"),
    [("https://www.acme.example/en", "acme.example"), ("acme.example", "acme.example"), (" ", None), ("http://", None)],
)
def test_url_is_mapped_to_its_host(address: str, host: str | None) -> None:
    mapper = Mapper(ENTITIES["account"], {"domain": ColumnRule(property="Website", is_website=True)})
    assert mapper.record("1", {"Website": address}, None).values == {"domain": host}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entities:\n  acount:\n    columns: {}\n", r"yaml:2: .*unknown entity acount \| did you mean account"),
        (
            "entities:\n  account:\n    columns:\n      naem: x\n",
            r"yaml:4: .*unknown column of account naem.*mean name",
        ),
        (
            "entities:\n  account:\n    columns:\n      name: {propery: x}\n",
            r"yaml:4: .*unknown key.*did you mean property",
        ),
        ("entities:\n  account:\n    columns:\n      name: {property: x, add_days: 1}\n", r"yaml:4: .*is not a date"),
        (
            "entities:\n  account:\n    columns:\n      name: {property: x, is_set: true}\n",
            r"yaml:4: .*is not a boolean",
        ),
        ("entities:\n  account:\n    columns:\n      name: ''\n", r"yaml:4: "),
        ("entities:\n  account: {columns: [a]}\n", r"yaml:2: "),
    ],
)
def test_invalid_mapping_is_rejected_with_its_line(mapping: Path, text: str, said: str) -> None:
    mapping.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_mapping("hubspot.yaml", CRM)


def test_field_missing_at_the_source_is_rejected_with_its_line(mapping: Path) -> None:
    mapping.write_text("entities:\n  account:\n    columns: {name: name}\n    keep:\n      - zebra\n")
    loaded = load_mapping("hubspot.yaml", CRM)
    loaded.check_properties("account", ["name", "zebra"], "companies")
    with pytest.raises(ConfigError, match=r"yaml:5: .*companies has no property zebra"):
        loaded.check_properties("account", ["name"], "companies")


def test_mapping_rules() -> None:
    mapper = Mapper(
        ENTITIES["contract_line"],
        {
            "product": ColumnRule(property="a.b"),
            "currency": ColumnRule(property="c", values={"euro": "EUR", "€": "EUR"}),
            "is_recurring": ColumnRule(property="d", is_set=True),
            "is_evergreen": ColumnRule(property="d", is_empty=True),
            "term_end": ColumnRule(property="e", add_days=1),
            "amount": ColumnRule(property="f"),
        },
        keep=["g"],
    )
    raw = {"a": {"b": "x"}, "c": "euro;€;USD", "d": "", "e": "2024-12-31", "f": "1,0", "g": 3, "h": 4}
    record = mapper.record("1", raw, None)
    assert record.values == {
        "product": "x",
        "currency": "EUR;USD",
        "is_recurring": False,
        "is_evergreen": True,
        "term_end": date(2025, 1, 1),
        "amount": None,
    }
    assert record.problems == {"amount": "1,0"}
    assert record.payload == {"a.b": "x", "c": "euro;€;USD", "d": "", "e": "2024-12-31", "f": "1,0", "g": 3}
    assert mapper.record("2", {"a": None, "e": ""}, None).values["term_end"] is None


@pytest.mark.parametrize(("found", "is_out"), [(None, False), ("", False), ("true", True), ("false", False)])
def test_field_that_is_empty_until_it_is_set(found: str | None, is_out: bool) -> None:
    rule = ColumnRule(property="hs_email_optout", if_empty="false")
    values = Mapper(ENTITIES["contact"], {"is_opted_out": rule}).record("1", {"hs_email_optout": found}, None).values
    assert values == {"is_opted_out": is_out}


@pytest.mark.parametrize(
    ("typed", "months"),
    [
        ("P12M", 12), ("P1Y", 12), ("P1Y6M", 18), ("12", 12), ("12.0", 12), ("24 months", 24), ("3 Jahre", 36),
        ("1 yr 6 mo", 18), ("90 days", 3), ("P30D", 1), ("3 months' notice", 3), ("3个月", 3), ("1年", 12), ("", None),
        ("3 Monate", 3), ("quarterly", 3), ("Vierteljährlich", 3), ("annually", 12), ("half-yearly", 6), ("1 an", 12),
        ("3 mois de préavis", 3), ("90 jours", 3), ("2 años", 24), ("每季度", 3), ("monthly", 1), ("2 quarters", 6),
        ("1.5 years", 18), ("1,5 Jahre", 18), ("0.25 yr", 3), ("1 year, 6 months", 18), ("12,0", 12),
    ],
)  # fmt: skip
def test_duration_is_counted_in_months(typed: str, months: int | None) -> None:
    mapper = Mapper(ENTITIES["contract_line"], {"term_months": ColumnRule(property="t", is_duration=True)})
    assert mapper.record("1", {"t": typed}, None).values["term_months"] == months


@pytest.mark.parametrize(
    "typed",
    ["soon", "P", "31 days", "-3", "12 parsecs", "quarterly 3", "1.5 months", "1,5 Monate", "0.5", "1. 5", "1.3 years",
     "1.5 days"],
)  # fmt: skip
def test_invalid_duration_is_noted(typed: str) -> None:
    mapper = Mapper(ENTITIES["contract_line"], {"term_months": ColumnRule(property="t", is_duration=True)})
    record = mapper.record("1", {"t": typed}, None)
    assert record.values["term_months"] is None and record.problems == {"term_months": typed}
    with pytest.raises(ValueError, match=re.escape(repr(typed))):
        months_of(typed)


@pytest.mark.parametrize(
    ("typed", "flag"),
    [("Ja", True), ("Nein", False), ("是", True), ("X", True), ("n", False), ("oui", True), ("Non", False)],
)
def test_flags_are_parsed_as_typed(typed: str, flag: bool) -> None:
    mapper = Mapper(ENTITIES["opportunity"], {"is_auto_renew": ColumnRule(property="t")})
    assert mapper.record("1", {"t": typed}, None).values["is_auto_renew"] is flag


@pytest.mark.parametrize("vendor", ["hubspot", "salesforce"])
def test_notice_periods_are_parsed_as_typed_unless_mapped(vendor: str) -> None:
    rule = load_mapping(f"{vendor}.yaml", ENTITIES).entities["opportunity"].columns["notice_months"]
    mapper = Mapper(ENTITIES["opportunity"], {"notice_months": rule})
    typed = {"3": 3, 3.0: 3, "3 Monate": 3, "90 days": 3, "quarterly": 3, "": None}
    assert {each: mapper.record("1", {rule.property: each}, None).values["notice_months"] for each in typed} == typed


def test_mapping_can_be_disabled(mapping: Path) -> None:
    mapping.write_text("disabled: true\n")
    assert load_mapping("hubspot.yaml", CRM).entities == {}


def test_mapping_can_fill_all_columns_with_constants() -> None:
    mapper = Mapper(ENTITIES["contract_line"], {"currency": ColumnRule(always="USD")})
    assert mapper.record("1", {"currency": "EUR"}, None).values == {"currency": "USD"}
