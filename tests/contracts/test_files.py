"""Rules, overrides and limits from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.cli.main import main
from include.common.errors import ConfigError
from include.contracts import catalogue, files
from include.contracts.limits import Limits
from include.contracts.validate import validate
from tests.contracts.landed import batch, fetch, good, land, store

OWN = """
rules:
  - name: amount_believable
    holds: amount < 1000000 or is_won is not true
    says: the amount is a million or more
    why: one typing error outweighs all other deals
    cure: correct the amount in the CRM
    owner: Sales operations
"""


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config" / "contracts"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    return folder


def test_rule_from_a_file_quarantines_exactly_its_bad_rows(warehouse: str, contracts: Path) -> None:
    (contracts / "opportunity.yaml").write_text(OWN)
    rows = [row | {"amount": 2_000_000 if n < 300 else None} for n, row in enumerate(good("opportunity", 302))]
    rows[1]["is_won"] = False
    batch_id = land("opportunity", rows, is_first_load=True)
    (verdict,) = validate("crm")
    assert [(b.rule_id, b.severity, b.n_bad) for b in verdict.broken if "share" not in b.rule_id] == [
        ("crm.opportunity.amount_believable", "critical", 299)
    ]
    # More than the 200 rows that Great Expectations returns per query, each with its explaining values.
    assert fetch(
        "select count(*) as n, min(reason) as reason from quarantine.record where batch_id = :i", i=batch_id
    ) == [{"n": 299, "reason": "the amount is a million or more (amount: 2000000, is_won: true)"}]


def test_rule_from_a_file_is_listed_with_its_line(contracts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (contracts / "opportunity.yaml").write_text(OWN)
    assert main(["contracts"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("crm.opportunity.amount_believable "))
    assert "Sales operations" in line
    rule = catalogue.get("crm.opportunity.amount_believable")
    assert rule and rule.origin.endswith("opportunity.yaml:3")


def test_shipped_rule_can_be_changed_and_disabled(contracts: Path) -> None:
    (contracts / "account.yaml").write_text(
        "changes:\n"
        "  - {name: domain_plausible, reason: we sell to schools, disabled: true}\n"
        "  - {name: name_present, reason: nobody reads it, severity: critical, owner: Ada}\n"
    )
    assert catalogue.get("crm.account.domain_plausible") is None
    rule = catalogue.get("crm.account.name_present")
    assert rule and (rule.severity, rule.owner) == ("critical", "Ada")
    assert rule.why.endswith("(changed: nobody reads it)")
    assert len(catalogue.rules()) == len(catalogue.shipped()) - 1


def test_limit_in_a_file_overrides_the_bound(warehouse: str, contracts: Path) -> None:
    (contracts / "account.yaml").write_text("limits: {deleted_rows: 3}\n")
    assert files.limits("account").deleted_rows == 3 and files.limits("contact") == Limits()
    store("account", good("account", 100))
    batch_id = land("account", [{"id": row["id"], "_is_deleted": True} for row in good("account", 4)])
    assert [verdict.state for verdict in validate("crm")] == ["held"]
    assert "crm.account.deletions_few" in batch(batch_id)["hold_reason"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("acount", OWN, r"acount\.yaml:\d: unknown entity acount"),
        ("account", "rules:\n  - name: x\n", r"account\.yaml:2: rules\.0\.name"),
        ("account", "limits:\n  bad_shar: 0.1\n", r"account\.yaml:2: limits\.bad_shar: unknown key"),
        (
            "account",
            "changes:\n  - {name: nosuch, reason: why not}\n",
            r"account\.yaml:2.*unknown rule crm\.account\.",
        ),
        (
            "opportunity",
            OWN.replace("amount_believable", "stage_present"),
            r"opportunity\.yaml:3.*the rule .* already exists",
        ),
        ("opportunity", OWN.replace("is_won is not true", "price > 3"), r"opportunity\.yaml:4: .*column `price`"),
        (
            "opportunity",
            OWN.replace("is_won is not true", "pg_sleep(9) is null"),
            r"opportunity\.yaml:4: .*not allowed",
        ),
    ],
)
def test_mistake_in_a_file_is_reported_with_its_line(contracts: Path, name: str, text: str, expected: str) -> None:
    (contracts / f"{name}.yaml").write_text(text)
    with pytest.raises(ConfigError, match=expected):
        catalogue.rules()


@pytest.mark.parametrize(
    "text",
    [
        "name like 'a{b}:c%'",
        "name ~ '^[a-z]{2}:' or length(trim(name)) > 3",
        "close_date between '2020-01-01' and current_date",
        "coalesce(amount, 0) >= 0 and lower(name) not in ('x', 'y')",
        "updated_at > cast('2020-01-01' as timestamptz)",
    ],
)
def test_conditions_run_as_they_are_written(warehouse: str, contracts: Path, text: str) -> None:
    (contracts / "opportunity.yaml").write_text(OWN.replace("amount < 1000000 or is_won is not true", f'"{text}"'))
    land("opportunity", [good("opportunity")[0] | {"name": "ab:{b}:c"}], is_first_load=True)
    validate("crm")
    assert fetch("select rule_id from meta.rule_result where rule_id like '%believable'")
