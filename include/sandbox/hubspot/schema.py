"""The portal's object types and properties, and the world's field behind each property."""

from __future__ import annotations

from dataclasses import dataclass, field

from include.sandbox import parameters as p
from include.sandbox.world.names import JOBS


@dataclass(frozen=True)
class Property:
    """One property of an object type.

    Args:
        name: Its name in the API.
        type: ``string``, ``number``, ``datetime``, ``date``, ``enumeration`` or ``bool``.
        source: The world's field; "" if it is derived or only written through the API.
        options: The values of an enumeration.
        unique: Whether values are unique.
        read_only: Whether it is calculated, so that writes are refused.
        label: What people see; "" to derive it from the name.
        option_labels: What people see instead of the options; empty for the options themselves.
        is_own: Whether somebody created it through the API.
    """

    name: str
    type: str = "string"
    source: str = ""
    options: tuple[str, ...] = ()
    unique: bool = False
    read_only: bool = False
    label: str = ""
    option_labels: tuple[str, ...] = ()
    is_own: bool = False


@dataclass(frozen=True)
class ObjectType:
    """One object type.

    Args:
        name: Plural name, as in paths.
        singular: Singular name, as in messages and association names.
        kind: The world's kind.
        type_id: HubSpot's type id.
        created: The property with the creation time.
        modified: The property with the modification time, used for incremental reads.
        shown: Properties returned if none were requested.
        properties: By name.
    """

    name: str
    singular: str
    kind: str
    type_id: str
    created: str
    modified: str
    shown: tuple[str, ...]
    properties: dict[str, Property] = field(default_factory=dict)


def _type(
    name: str, singular: str, kind: str, type_id: str, created: str, modified: str, shown: str, *properties: Property
) -> ObjectType:
    common = (
        Property("hs_object_id", "number", read_only=True),
        Property(created, "datetime", read_only=True),
        Property(modified, "datetime", read_only=True),
        Property("hubspot_owner_id", "enumeration", "owner"),
        Property("hs_object_source_label", "string", read_only=True),
    )
    found = {each.name: each for each in (*common, *properties)}
    return ObjectType(name, singular, kind, type_id, created, modified, tuple(shown.split()), found)


# A new portal has hundreds of standard properties: requesting all of them makes the URL too long.
_FILLERS = tuple(
    Property(f"hs_{area}_{what}_{number:02d}")
    for area in ("analytics", "email", "social", "sales", "calculated", "lifecyclestage")
    for what in ("first_touch", "last_touch", "score")
    for number in range(20)
)

# Total, first-year, yearly recurring and monthly recurring amounts: HubSpot calculates them.
_TOTALS = tuple(Property(name, "number", read_only=True) for name in ("hs_tcv", "hs_acv", "hs_arr", "hs_mrr"))

COMPANIES = _type(
    "companies", "company", "company", "0-2", "createdate", "hs_lastmodifieddate", "name domain",
    Property("name", source="name"),
    Property("domain", source="domain"),
    Property("industry", "enumeration", "industry", p.INDUSTRIES),
    Property("country", source="country"),
    Property("customer_tier", "enumeration", "tier", tuple(p.TIERS)),
    Property("hs_parent_company_id", "number", "parent"),
    Property("lifecyclestage", "enumeration", "lifecycle", ("lead", "opportunity", "customer", "other")),
    Property("is_test_account", "bool", "is_test"),
    Property("numberofemployees", "number", "employees"),
    Property("annual_recurring_revenue", "number", "arr"),
    Property("contract_start_date", "date", "contract_start"),
    Property("renewal_date", "date", "renewal_date"),
    Property("customer_status", "enumeration", "customer_status", ("active", "churned")),
    Property("hs_merged_object_ids", "enumeration", "merged_ids", read_only=True),
    # The portal's administrator created these for values that Perennial writes.
    Property("perennial_risk", "enumeration", options=("none", "some", "high", "unknown")),
    Property("perennial_open_risks"),
    Property("perennial_next_decision", "date"),
    Property("perennial_last_alert", "date"),
    Property("perennial_arr", "number"),
    # HubSpot maintains these counts without touching the modification date.
    Property("num_associated_contacts", "number", read_only=True),
    Property("num_associated_deals", "number", read_only=True),
)  # fmt: skip
# knowledge.hubspot.com/properties/understand-source-properties
_SOURCES = ("ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "SOCIAL_MEDIA", "REFERRALS", "OTHER_CAMPAIGNS",
            "DIRECT_TRAFFIC", "OFFLINE", "PAID_SOCIAL")  # fmt: skip
CONTACTS = _type(
    "contacts", "contact", "contact", "0-1", "createdate", "lastmodifieddate", "email firstname lastname",
    Property("email", source="email", unique=True),
    Property("hs_additional_emails", "enumeration", "other_emails"),
    Property("firstname", source="first_name"),
    Property("lastname", source="last_name"),
    Property("jobtitle", source="job_title"),
    Property("hs_buying_role", "enumeration", "role", tuple(JOBS)),
    Property("associatedcompanyid", "number", read_only=True),
    Property("notes_last_contacted", "datetime", "last_contacted"),
    Property("hs_analytics_source", "enumeration", "source", _SOURCES),
    Property("hs_analytics_source_data_1", source="campaign"),
    Property("hs_latest_source", "enumeration", "last_source", _SOURCES),
    Property("hs_latest_source_timestamp", "datetime", "last_source_at"),
    Property("hs_lifecyclestage_lead_date", "datetime", "became_lead"),
    Property("hs_lifecyclestage_marketingqualifiedlead_date", "datetime", "became_mql"),
    Property("hs_lifecyclestage_salesqualifiedlead_date", "datetime", "became_sql"),
    Property("hs_lifecyclestage_opportunity_date", "datetime", "became_opportunity"),
    Property("referring_company", "number", "referrer"),  # custom
    Property("hs_merged_object_ids", "enumeration", "merged_ids", read_only=True),
    Property("hs_calculated_merged_vids", "enumeration", read_only=True),
    *_FILLERS,
)  # fmt: skip
DEALS = _type(
    "deals", "deal", "deal", "0-3", "createdate", "hs_lastmodifieddate", "dealname amount closedate dealstage pipeline",
    Property("dealname", source="name"),
    Property("pipeline", "enumeration", "pipeline"),
    Property("dealstage", "enumeration", "stage"),
    Property("hs_is_closed", "bool", "is_closed", read_only=True),
    Property("hs_is_closed_won", "bool", "is_won", read_only=True),
    Property("dealtype", "enumeration", "deal_type", ("newbusiness", "existingbusiness")),
    Property("deal_kind", "enumeration", "kind", ("new", "renewal", "expansion")),  # custom
    Property("contract_number", source="contract_number"),
    Property("renewed_deal", source="renews"),
    Property("contract_start_date", "date", "contract_start"),
    Property("contract_end_date", "date", "contract_end"),
    Property("contract_term_months", "number", "term_months"),
    Property("amount", "number", "amount"),
    Property("deal_currency_code", "enumeration", "currency"),
    Property("closedate", "datetime", "close_date"),
    Property("notice_period_months", "number", "notice_months"),
    Property("auto_renew", "bool", "auto_renew"),
    Property("hs_primary_associated_company", "number", read_only=True),
    Property("notice_given_on", "date", "notice_given_on"),
    Property("closed_lost_reason", source="lost_reason"),
    *_TOTALS,
    Property("hs_merged_object_ids", "enumeration", "merged_ids", read_only=True),
)  # fmt: skip
LINE_ITEMS = _type(
    "line_items", "line_item", "line_item", "0-8", "createdate", "hs_lastmodifieddate", "quantity amount price",
    Property("name", source="product"),
    Property("quantity", "number", "quantity"),
    # Per billing period, after and before discount; ``billing`` calculates them.
    Property("amount", "number", "amount"),
    Property("hs_pre_discount_amount", "number", "list_amount"),
    Property("hs_line_item_currency_code", "enumeration", "currency"),
    Property("recurringbillingfrequency", "enumeration", "frequency",
             ("weekly", "biweekly", "monthly", "quarterly", "per_six_months", "annually", "per_two_years",
              "per_three_years", "per_four_years", "per_five_years")),
    Property("hs_recurring_billing_start_date", "date", "term_start"),
    Property("hs_recurring_billing_period"),
    Property("hs_recurring_billing_end_date", "date", "term_last_day"),
    Property("hs_term_in_months", "number", read_only=True),
    Property("hs_recurring_billing_number_of_payments", "number", read_only=True),
    *_TOTALS,
)  # fmt: skip
# No customer has one at first. Names and states are as in HubSpot's guide and in real portals.
SUBSCRIPTIONS = _type(
    "subscriptions", "subscription", "subscription", "0-69", "hs_createdate", "hs_lastmodifieddate",
    "hs_createdate hs_lastmodifieddate hs_object_id",
    Property("hs_name", source="name"),
    Property("hs_status", "enumeration", "status",
             ("active", "past_due", "unpaid", "canceled", "expired", "scheduled", "paused")),
    Property("hs_currency_code", "enumeration", "currency"),
    Property("hs_recurring_billing_frequency", "enumeration", "frequency"),
    Property("hs_recurring_billing_start_date", "date", "term_start"),
    Property("hs_next_payment_due_date", "date", "next_payment"),
)  # fmt: skip
TASKS = _type(
    "tasks", "task", "task", "0-27", "hs_createdate", "hs_lastmodifieddate", "hs_createdate hs_lastmodifieddate",
    Property("hs_timestamp", "datetime"),
    Property("hs_task_subject"),
    Property("hs_task_body"),
    Property("hs_task_status", "enumeration",
             options=("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED")),
    Property("hs_task_priority", "enumeration", options=("NONE", "LOW", "MEDIUM", "HIGH")),
    Property("hs_task_type", "enumeration", options=("EMAIL", "CALL", "TODO")),
    Property("hs_task_reminders", "datetime"),
    Property("perennial_key", unique=True),  # created by the portal's administrator, so that tasks can be upserted
    Property("hs_task_completion_date", "datetime"),
    Property("hs_task_is_completed", "number", read_only=True),
    Property("hs_task_is_overdue", "bool", read_only=True),
    Property("hs_body_preview", read_only=True),
    Property("hs_body_preview_html", read_only=True),
    Property("hs_body_preview_is_truncated", "bool", read_only=True),
)  # fmt: skip
_NO_NAME = "hs_createdate hs_lastmodifieddate hs_object_id"
CALLS = _type(
    "calls", "call", "call", "0-48", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("hs_timestamp", "datetime", "happened_at"),
    Property("hs_call_title", source="title"),
    Property("hs_call_direction", "enumeration", "direction", ("INBOUND", "OUTBOUND")),
    Property("hs_call_status", "enumeration", "outcome", ("COMPLETED", "NO_ANSWER", "BUSY", "FAILED", "CANCELED")),
)  # fmt: skip
MEETINGS = _type(
    "meetings", "meeting", "meeting", "0-47", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("hs_timestamp", "datetime", "happened_at"),
    Property("hs_meeting_title", source="title"),
    Property("hs_meeting_outcome", "enumeration", "outcome", ("SCHEDULED", "COMPLETED", "NO_SHOW", "CANCELED")),
)  # fmt: skip
EMAILS = _type(
    "emails", "email", "email", "0-49", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("hs_timestamp", "datetime", "happened_at"),
    Property("hs_email_subject", source="title"),
    Property("hs_email_direction", "enumeration", "direction", ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL")),
    Property("hs_email_status", "enumeration", "outcome", ("SENT", "BOUNCED", "FAILED", "SCHEDULED", "SENDING")),
)  # fmt: skip
NOTES = _type(
    "notes", "note", "note", "0-46", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("hs_timestamp", "datetime", "happened_at"),
    Property("hs_note_body", source="title"),
)  # fmt: skip
INVOICES = _type(
    "invoices", "invoice", "invoice", "0-53", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("hs_number", source="number"),
    Property("hs_amount_billed", "number", "amount"),
    Property("hs_balance_due", "number", "balance"),
    Property("hs_currency", "enumeration", "currency"),
    Property("hs_invoice_date", "datetime", "issued"),
    Property("hs_due_date", "datetime", "due"),
    Property("hs_payment_date", "datetime", "paid"),
    Property("hs_invoice_status", "enumeration", "status", ("draft", "open", "paid", "voided")),
    Property("contract_number", source="contract_number"),
)  # fmt: skip
SURVEYS = _type(
    "feedback_submissions", "feedback_submission", "feedback", "0-19", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("hs_survey_name", source="survey"),
    Property("hs_survey_type", "enumeration", "kind", ("NPS", "CSAT", "CES")),
    Property("hs_value", "number", "score"),
    Property("hs_content", source="comment"),
    Property("hs_submission_timestamp", "datetime", "answered_at"),
)  # fmt: skip
# Custom objects.
MILESTONES = _type(
    "milestones", "milestone", "milestone", "2-31000001", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("milestone_name", source="name"),
    Property("milestone_kind", source="kind"),
    Property("due_date", "date", "due"),
    Property("done_date", "date", "done"),
    Property("milestone_status", "enumeration", "status", ("open", "done")),
)  # fmt: skip
OBJECTIVES = _type(
    "objectives", "objective", "objective", "2-31000002", "hs_createdate", "hs_lastmodifieddate", _NO_NAME,
    Property("objective_name", source="name"),
    Property("target", source="target"),
    Property("due_date", "date", "due"),
    Property("done_date", "date", "done"),
    Property("objective_status", "enumeration", "status", ("open", "reached")),
)  # fmt: skip

_ALL = (COMPANIES, CONTACTS, DEALS, LINE_ITEMS, SUBSCRIPTIONS, TASKS, CALLS, MEETINGS, EMAILS, NOTES, INVOICES, SURVEYS,
        MILESTONES, OBJECTIVES)  # fmt: skip
OBJECT_TYPES: dict[str, ObjectType] = {each.name: each for each in _ALL}
OF_KIND: dict[str, ObjectType] = {each.kind: each for each in OBJECT_TYPES.values()}

# (type, property) -> the customs (see ``world.build``) whose portals have it. Other properties are in every portal.
OF_STYLE: dict[tuple[str, str], tuple[str, ...]] = {
    **dict.fromkeys((("deals", "deal_kind"), ("deals", "contract_number")), ("ideal", "found")),
    ("deals", "renewed_deal"): ("found",),
    **{("deals", name): ("deals",) for name in ("contract_start_date", "contract_end_date", "contract_term_months")},
    **{("companies", name): ("companies",)
       for name in ("annual_recurring_revenue", "contract_start_date", "renewal_date", "customer_status")},
}  # fmt: skip

# (from, to): (association type id, id of the primary type or 0). Real ids.
ASSOCIATION_TYPES: dict[tuple[str, str], tuple[int, int]] = {
    ("contact", "company"): (279, 1), ("company", "contact"): (280, 2),
    ("deal", "company"): (341, 5), ("company", "deal"): (342, 6),
    ("deal", "contact"): (3, 0), ("contact", "deal"): (4, 0),
    ("deal", "line_item"): (19, 0), ("line_item", "deal"): (20, 0),
    ("company", "company"): (450, 0),
    ("subscription", "contact"): (295, 0), ("contact", "subscription"): (296, 0),
    ("subscription", "line_item"): (301, 0), ("line_item", "subscription"): (302, 0),
    ("subscription", "company"): (9003, 0), ("company", "subscription"): (9004, 0),  # made up
    ("task", "company"): (192, 0), ("company", "task"): (191, 0),
    ("task", "contact"): (204, 0), ("contact", "task"): (203, 0),
    ("task", "deal"): (216, 0), ("deal", "task"): (215, 0),
    ("call", "company"): (182, 0), ("company", "call"): (181, 0),
    ("call", "contact"): (194, 0), ("contact", "call"): (193, 0),
    ("meeting", "company"): (188, 0), ("company", "meeting"): (187, 0),
    ("meeting", "contact"): (200, 0), ("contact", "meeting"): (199, 0),
    ("email", "company"): (186, 0), ("company", "email"): (185, 0),
    ("email", "contact"): (198, 0), ("contact", "email"): (197, 0),
    ("note", "company"): (190, 0), ("company", "note"): (189, 0),
    ("note", "contact"): (202, 0), ("contact", "note"): (201, 0),
    ("invoice", "company"): (180, 0), ("company", "invoice"): (179, 0),
    ("invoice", "contact"): (178, 0), ("contact", "invoice"): (177, 0),
    # Made-up ids: the real ones are portal-specific or unpublished.
    ("feedback", "company"): (9001, 0), ("company", "feedback"): (9002, 0),
    ("feedback", "contact"): (98, 0), ("contact", "feedback"): (97, 0),
    ("milestone", "company"): (17, 0), ("company", "milestone"): (18, 0),
    ("objective", "company"): (19, 0), ("company", "objective"): (20, 0),
}  # fmt: skip


def find_type(name: str) -> ObjectType | None:
    """Return the object type of a path segment: plural, singular or type id."""
    for each in OBJECT_TYPES.values():
        if name.lower() in (each.name, each.singular, each.type_id):
            return each
    return None
