"""Synthetic contracts, and the standard schema of HubSpot portals and Salesforce orgs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from include.operations.mapping_proposal.portal import Kind, Pipeline, Portal, Property, Row
from include.operations.mapping_proposal.terms import later

TODAY = date(2026, 6, 30)
DAY = timedelta(days=1)
# Properties of a customer's company.
BOUGHT = {"lifecyclestage": "customer", "createdate": "2023-01-05T10:00:00.000Z"}


@dataclass(frozen=True)
class Sold:
    """One true term of one product of one customer."""

    company: str
    number: int
    deal: str
    start: date
    months: int
    yearly: int
    kind: str
    product: str
    before: str = ""
    extra_days: int = 0

    @property
    def end(self) -> date:
        """The day after the last day."""
        return later(self.start, self.months) + timedelta(days=self.extra_days)

    @property
    def whole(self) -> float:
        """The amount of the term."""
        return round(self.yearly * self.months / 12, 2)


@dataclass
class Case:
    """A portal and its right proposal.

    Args:
        name: Name of the style.
        portal: The portal's data.
        ways: Letters of the ways in which contracts are stored.
        columns: (entity, column) -> expected mapping; None where it must omit the column or ask.
        renewal_pipelines: Ids of the renewal pipelines.
    """

    name: str
    portal: Portal
    ways: str
    columns: dict[tuple[str, str], Any]
    renewal_pipelines: tuple[str, ...] = ()


def sold(
    rng: random.Random, n: int, lengths: tuple[int, ...], *, products: tuple[str, ...] = ("Core",), odd: bool = False
) -> list[Sold]:
    """Return the terms of n customers: a new one each, then renewals until today and occasional expansions."""
    found: list[Sold] = []
    deal = 900000
    for number in range(n):
        company = str(5000 + number)
        start = date(rng.choice((2023, 2024, 2025)), rng.randint(1, 12), rng.choice((1, 1, 1, 15, 9)))
        yearly, kind, before = rng.randrange(4, 60) * 500, "new", ""
        product = rng.choice(products)
        while start < TODAY:
            deal += rng.randint(1, 40)
            one = Sold(company, number, str(deal), start, rng.choice(lengths), yearly, kind, product, before,
                       rng.randint(2, 25) if odd and rng.random() < 0.3 else 0)  # fmt: skip
            found.append(one)
            if rng.random() < 0.12:
                deal += rng.randint(1, 40)
                more = f"{product} Plus"
                began = one.start + 60 * DAY
                found.append(Sold(company, number, str(deal), began, one.months, yearly // 4, "expansion", more))
            if rng.random() < 0.15:
                break
            start, kind, before = one.end, "renewal", one.deal
            yearly = round(yearly * rng.choice((1, 1, 1.05, 1.2)))
    return found


def prop(name: str, label: str, kind: Kind = "text", is_own: bool = True, **options: str) -> Property:
    """Return a property. Options are value -> label."""
    return Property(name, label, kind, options, is_own)


def choice(name: str, label: str, options: Mapping[str, str]) -> Property:
    """Return a drop-down."""
    return Property(name, label, "choice", dict(options), True)


_COMPANY = """name:Company name domain:Company Domain Name:text industry:Industry:choice country:Country/Region
hubspot_owner_id:Company owner:reference hs_parent_company_id:Parent Company:number
lifecyclestage:Lifecycle Stage:choice
hs_merged_object_ids:Merged Company IDs createdate:Create Date:date hs_lastmodifieddate:Last Modified Date:date
annualrevenue:Annual Revenue:number total_revenue:Total Revenue:number recent_deal_amount:Recent Deal Amount:number
recent_deal_close_date:Recent Deal Close Date:date first_deal_created_date:First Deal Created Date:date
closedate:Close Date:date hs_lead_status:Lead Status:choice type:Type:choice
numberofemployees:Number of Employees:number
founded_year:Year Founded hs_num_open_deals:Number of open deals:number days_to_close:Days to Close:number
notes_last_contacted:Last Contacted:date hs_target_account:Target Account:choice timezone:Time Zone
hs_ideal_customer_profile:Ideal Customer Profile Tier:choice
hs_annual_revenue_currency_code:Annual Revenue Currency Code:choice
hs_total_deal_value:Total open deal value:number first_contact_createdate:First Contact Create Date:date"""
_CONTACT = """email:Email hs_additional_emails:Additional email addresses firstname:First Name lastname:Last Name
jobtitle:Job Title hs_buying_role:Buying Role:choice hubspot_owner_id:Contact owner:reference
notes_last_contacted:Last Contacted:date createdate:Create Date:date lastmodifieddate:Last Modified Date:date
hs_role:Employment Role:choice hs_seniority:Employment Seniority:choice hs_sub_role:Employment Sub Role:choice"""
_DEAL = """dealname:Deal Name pipeline:Pipeline:choice dealstage:Deal Stage:choice hs_is_closed:Is Deal Closed?:flag
hs_is_closed_won:Is Closed Won:flag dealtype:Deal Type:choice amount:Amount:number deal_currency_code:Currency:choice
closedate:Close Date:date closed_lost_reason:Closed Lost Reason hubspot_owner_id:Deal owner:reference
createdate:Create Date:date hs_lastmodifieddate:Last Modified Date:date hs_arr:Annual recurring revenue:number
hs_mrr:Monthly recurring revenue:number hs_acv:Annual contract value:number hs_tcv:Total contract value:number
hs_projected_amount:Weighted amount:number hs_forecast_amount:Forecast amount:number
days_to_close:Days to close:number
hs_date_entered_closedwon:Date entered "Closed Won":date hs_next_step:Next step hs_priority:Priority:choice
hs_deal_stage_probability:Deal probability:number num_notes:Number of Sales Activities:number
hs_manual_forecast_category:Forecast category:choice notes_next_activity_date:Next Activity Date:date"""
_LINE = """name:Name quantity:Quantity:number price:Unit price:number amount:Net price:number
hs_pre_discount_amount:Pre Discount Amount:number hs_line_item_currency_code:Currency:choice
recurringbillingfrequency:Billing frequency:choice hs_recurring_billing_start_date:Billing start date:date
hs_recurring_billing_end_date:Billing end date:date hs_recurring_billing_period:Term
hs_term_in_months:Term in months:number
hs_arr:Annual recurring revenue:number hs_mrr:Monthly recurring revenue:number hs_acv:Annual contract value:number
hs_tcv:Total contract value:number hs_sku:SKU hs_cost_of_goods_sold:Unit cost:number discount:Unit discount:number
createdate:Create Date:date hs_lastmodifieddate:Last Modified Date:date
hs_recurring_billing_number_of_payments:Number of payments:number
hs_billing_start_delay_days:Billing start delay (days):number hs_discount_percentage:Discount percentage:number"""
_TYPES = {
    "dealtype": {"newbusiness": "New Business", "existingbusiness": "Existing Business"},
    "hs_buying_role": {"DECISION_MAKER": "Decision Maker", "CHAMPION": "Champion", "END_USER": "End User",
                       "BLOCKER": "Blocker", "OTHER": "Other"},
    "hs_role": {"sales": "Sales", "engineering": "Engineering"},
    "recurringbillingfrequency": {"monthly": "Monthly", "quarterly": "Quarterly", "annually": "Annually"},
    "type": {"PROSPECT": "Prospect", "PARTNER": "Partner", "VENDOR": "Vendor", "OTHER": "Other"},
}  # fmt: skip
_KINDS = ("number", "date", "choice", "flag", "reference", "text")
_SALESFORCE = {
    "account": """Id:Account ID Name:Account Name Website:Website Industry:Industry:choice
BillingCountry:Billing Country
OwnerId:Owner ID:reference ParentId:Parent Account ID:reference Type:Account Type:choice
AnnualRevenue:Annual Revenue:number
CreatedDate:Created Date:date SystemModstamp:System Modstamp:date LastActivityDate:Last Activity:date""",
    "contact": """Id:Contact ID AccountId:Account ID:reference Email:Email FirstName:First Name LastName:Last Name
Title:Title OwnerId:Owner ID:reference LastActivityDate:Last Activity:date CreatedDate:Created Date:date
SystemModstamp:System Modstamp:date LeadSource:Lead Source:choice""",
    "owner": """Email:Email FirstName:First Name LastName:Last Name Username:Username UserType:User Type:choice
IsActive:Active:flag CreatedDate:Created Date:date SystemModstamp:System Modstamp:date""",
    "opportunity": """Id:Opportunity ID AccountId:Account ID:reference Name:Name RecordType.DeveloperName:Record Type
StageName:Stage:choice IsClosed:Closed:flag IsWon:Won:flag Type:Opportunity Type:choice Amount:Amount:number
CloseDate:Close Date:date OwnerId:Owner ID:reference CreatedDate:Created Date:date SystemModstamp:System Modstamp:date
ExpectedRevenue:Expected Amount:number Probability:Probability (%):number NextStep:Next Step
ContractId:Contract ID:reference
ForecastCategory:Forecast Category:choice FiscalYear:Fiscal Year:number
LastStageChangeDate:Last Stage Change Date:date""",
    "contract_line": """Id:Line Item ID OpportunityId:Opportunity ID:reference Opportunity.AccountId:Account
Product2.Name:Product Quantity:Quantity:number TotalPrice:Total Price:number UnitPrice:Sales Price:number
ListPrice:List Price:number ServiceDate:Date:date CreatedDate:Created Date:date
SystemModstamp:System Modstamp:date""",
}  # fmt: skip


def _parsed(text: str) -> dict[str, Property]:
    found = {}
    for line in _entries(text):
        name, _, rest = line.partition(":")
        label, _, kind = rest.rpartition(":")
        if kind not in _KINDS:
            label, kind = rest, "text"
        found[name] = Property(name, label, kind, _TYPES.get(name, {}))  # type: ignore[arg-type]
    return found


def _entries(text: str) -> list[str]:
    """Return ``name:label:kind`` entries. Labels may contain spaces, names may not."""
    entries: list[str] = []
    for word in text.split():
        if word.count(":") == 2 or (":" in word and word.partition(":")[2] not in _KINDS):
            entries.append(word)
        else:
            entries[-1] += f" {word}"
    return entries


def hubspot_schema() -> dict[str, dict[str, Property]]:
    """Return the standard schema: dozens of HubSpot's own properties per object, most of them irrelevant."""
    schema = {
        "account": _parsed(_COMPANY), "contact": _parsed(_CONTACT), "opportunity": _parsed(_DEAL),
        "contract_line": _parsed(_LINE),
    }  # fmt: skip
    for known in schema.values():
        for number in range(60):
            one = Property(
                f"hs_analytics_{number}", f"Time of last session {number}", "date" if number % 3 else "number"
            )
            known[one.name] = one
    return schema


def salesforce_schema() -> dict[str, dict[str, Property]]:
    """Return the standard schema of an org."""
    return {entity: _parsed(text) for entity, text in _SALESFORCE.items()}


_WON = {"hubspot": ("hs_is_closed_won", "hs_is_closed"), "salesforce": ("IsWon", "IsClosed")}


@dataclass
class Made:
    """A builder of portals."""

    vendor: str
    rng: random.Random
    schema: dict[str, dict[str, Property]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, entity: str, *properties: Property) -> None:
        """Add custom properties."""
        for one in properties:
            self.schema[entity][one.name] = one

    def row(self, entity: str, id_: str, parent: str = "", **values: Any) -> None:
        """Add a record. None is omitted, everything else becomes text, as vendors send it."""
        kept = {name: _sent(value) for name, value in values.items() if value is not None}
        self.rows.setdefault(entity, []).append(Row(id_, kept, parent))

    def won(self, one: Sold, **values: Any) -> None:
        """Add the won deal of a term."""
        won, closed = _WON[self.vendor]
        self.row("opportunity", one.deal, one.company, **{won: True, closed: True}, **values)

    def line(self, one: Sold, **values: Any) -> None:
        """Add HubSpot's line item of a term."""
        self.row("contract_line", f"{one.deal}1", one.deal, name=one.product, quantity=1, **values)

    def portal(self, *pipelines: tuple[str, str], contract_objects: dict[str, int | None] | None = None) -> Portal:
        """Return the portal."""
        return Portal(self.vendor, TODAY, self.schema, self.rows, tuple(Pipeline(*one) for one in pipelines),
                      contract_objects or {})  # fmt: skip

    def some(self, value: Any, share: float) -> Any:
        """Return the value in a share of cases, else None."""
        return value if self.rng.random() < share else None

    def leads(self, n: int) -> None:
        """Add companies without contracts."""
        for number in range(n):
            self.row("account", str(8000 + number), name=f"Lead {number}", lifecyclestage="lead",
                     createdate="2024-01-05T10:00:00.000Z")  # fmt: skip


def _sent(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, dict) else str(value)


def hubspot(seed: int) -> Made:
    """Return an empty portal."""
    return Made("hubspot", random.Random(seed), hubspot_schema())


def salesforce(seed: int) -> Made:
    """Return an empty org."""
    return Made("salesforce", random.Random(seed), salesforce_schema())


_KEPT = ("hs_is_closed_won", "IsWon", "closedate", "CloseDate", "lifecyclestage")


def with_dirty_records(case: Case, seed: int) -> Case:
    """Return a portal with a fifth of the values missing, and one date in ten and some amounts wrong."""
    rng = random.Random(seed)
    for entity, rows in case.portal.rows.items():
        for row in rows:
            values: dict[str, Any] = row.values  # type: ignore[assignment]
            for name in [name for name in values if name not in _KEPT and (entity, name) != ("account", "Type")]:
                known, value = case.portal.schema[entity].get(name), values[name]
                if rng.random() < 0.2:
                    del values[name]
                elif known and known.kind == "date" and rng.random() < 0.1:
                    values[name] = str(date.fromisoformat(value[:10]) + timedelta(days=rng.choice((-1, 1, 30))))
                elif known and known.kind == "number" and float(value) > 100 and rng.random() < 0.06:
                    values[name] = str(round(float(value) * rng.choice((0.8, 1.2, 1.5)), 2))
    return case
