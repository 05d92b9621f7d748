"""One bad row per row rule and one bad batch per batch rule. Each breaks only that rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from include.contracts.limits import CATEGORIES
from include.entities.catalog import DATABASES, ENTITIES
from tests.contracts.landed import LONG_AGO, NOW, good, land, store

NEXT_MONTH = NOW + timedelta(days=30)
NOWHERE = "no such record"
# Just within and just beyond the tolerance for clocks and time zones.
TOMORROW = NOW + timedelta(hours=23)
DAY_AFTER = NOW + timedelta(hours=25)

COMMON: dict[str, dict[str, Any]] = {
    "id_present": {"id": " "},
    "castable": {"_problems": ["industry=1,0O0"]},
    "updated_at_present": {"updated_at": None},
    "updated_at_not_in_future": {"_source_at": DAY_AFTER},
    "created_at_not_in_future": {"created_at": NEXT_MONTH},
}
_DAYS: dict[str, dict[str, Any]] = {
    "account_present": {"account_id": None},
    "account_exists": {"account_id": NOWHERE},
    "day_present": {"day": None},
    "day_not_in_future": {"day": date(2026, 11, 22)},
    "day_plausible": {"day": date(1970, 1, 1)},
}
_ACCOUNT: dict[str, dict[str, Any]] = {
    "account_present": {"account_id": None},
    "account_exists": {"account_id": NOWHERE},
}
_PLANNED: dict[str, dict[str, Any]] = {
    **_ACCOUNT,
    "name_present": {"name": None},
    "due_plausible": {"due_on": date(2206, 4, 1)},
    "done_plausible": {"done_on": date(206, 4, 1)},
}
ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "account": {
        "name_present": {"name": None},
        "domain_plausible": {"domain": "https://example.com/"},
        "owner_present": {"owner_id": None},
        "owner_exists": {"owner_id": NOWHERE},
        "parent_is_another": {"id": "own parent", "parent_id": "own parent"},
    },
    "contact": {
        "account_present": {"account_id": None},
        "account_exists": {"account_id": NOWHERE},
        "email_plausible": {"email": "anna at example.com"},
        "role_known": {"role": "gatekeeper"},
        "last_contacted_not_in_future": {"last_contacted_at": NEXT_MONTH},
    },
    "owner": {
        "email_present": {"email": None},
        "email_plausible": {"email": "carla"},
        "is_active_present": {"is_active": None},
    },
    "opportunity": {
        "account_present": {"account_id": None},
        "account_exists": {"account_id": NOWHERE},
        "stage_present": {"stage": None},
        "won_is_closed": {"is_closed": False},
        "won_has_close_date": {"close_date": None},
        "close_date_plausible": {"close_date": date(206, 1, 15)},
        "type_known": {"opportunity_type": "partner"},
        "amount_non_negative": {"amount": -0.01},
        "amount_agrees_with_lines": {"id": "1", "amount": 11879},
        "currency_code": {"currency": "US$"},
        "notice_months_plausible": {"notice_months": 90},
        "notice_given_plausible": {"notice_given_on": date(2206, 1, 15)},
    },
    "contract_line": {
        "opportunity_present": {"opportunity_id": None},
        "opportunity_exists": {"opportunity_id": NOWHERE},
        "account_present": {"account_id": None},
        "account_exists": {"account_id": NOWHERE},
        "amount_present": {"amount": None},
        "list_amount_non_negative": {"list_amount": -1, "amount": None, "is_recurring": False},
        "amount_within_list": {"amount": 15000.01},
        "currency_code": {"currency": "DOLLAR", "_also": ("currency_is_reporting",)},
        "currency_is_reporting": {"currency": "EUR"},
        "term_start_present": {"term_start": None},
        "term_end_present": {"term_end": None},
        "term_end_after_start": {"term_end": date(2026, 2, 1)},
        "term_start_plausible": {"term_start": date(206, 2, 1)},
        "term_end_plausible": {"term_end": date(2207, 2, 1)},
    },
    "activity": {
        **_ACCOUNT,
        "type_known": {"activity_type": "fax"},
        "direction_known": {"direction": "INBOUND"},
        "happened_at_present": {"happened_at": None},
        "completed_not_in_future": {"happened_at": NEXT_MONTH},
        "duration_non_negative": {"duration_minutes": -0.5},
    },
    "invoice": {
        **_ACCOUNT,
        "amount_present": {"amount": None},
        "open_within_amount": {"amount_open": 12000.01},
        "currency_code": {"currency": "US$"},
        "status_known": {"status": "OPEN"},
        "due_present": {"due_on": None},
        "issued_plausible": {"issued_on": date(206, 2, 1)},
        "due_plausible": {"due_on": date(2206, 3, 3)},
        "paid_plausible": {"paid_on": date(2206, 3, 3)},
        "due_after_issued": {"due_on": date(2026, 1, 31)},
    },
    "lead": {
        "account_exists": {"account_id": NOWHERE},
        "lead_at_not_in_future": {"lead_at": NEXT_MONTH, "qualified_at": None},
        "qualified_at_not_in_future": {"qualified_at": NEXT_MONTH},
        "sales_qualified_at_not_in_future": {"sales_qualified_at": NEXT_MONTH},
        "converted_at_not_in_future": {"converted_at": NEXT_MONTH},
        "stages_in_order": {"qualified_at": LONG_AGO},
        "channel_present": {"channel": None},
    },
    "channel_cost": {
        "channel_present": {"channel": None},
        "amount_present": {"amount": None},
        "spent_on_present": {"spent_on": None},
        "spent_on_plausible": {"spent_on": date(206, 2, 1)},
        "spent_on_not_in_future": {"spent_on": date(2027, 2, 1)},
        "currency_code": {"currency": "US$"},
        "kind_known": {"kind": "party"},
    },
    "survey_response": {
        **_ACCOUNT,
        "kind_known": {"kind": "stars"},
        "score_present": {"score": None},
        "nps_within_scale": {"score": 11},
        "answered_at_present": {"answered_at": None},
        "answered_not_in_future": {"answered_at": DAY_AFTER},
    },
    "milestone": _PLANNED,
    "objective": _PLANNED,
    "organization": {
        "name_present": {"name": None},
        "external_id_present": {"external_id": None},
        "external_id_exists": {"external_id": NOWHERE},
    },
    "support_user": {
        "email_plausible": {"email": "anna"},
        "role_known": {"role": "light agent"},
        "organization_exists": {"organization_id": NOWHERE},
    },
    "ticket": {
        "status_present": {"status": None},
        "status_known": {"status": "Solved"},
        "priority_known": {"priority": "P1"},
        "type_known": {"ticket_type": "bug"},
        "satisfaction_known": {"satisfaction": "great"},
        "created_at_present": {"created_at": None},
        "created_at_not_in_future": {"created_at": NEXT_MONTH, "solved_at": None},
        "solved_after_created": {"solved_at": LONG_AGO - timedelta(seconds=1)},
        "solved_not_in_future": {"solved_at": NEXT_MONTH},
        "organization_present": {"organization_id": None},
        "organization_exists": {"organization_id": NOWHERE},
        "first_reply_minutes_non_negative": {"first_reply_minutes": -1},
        "first_reply_business_minutes_non_negative": {"first_reply_business_minutes": -1},
        "full_resolution_business_minutes_non_negative": {"full_resolution_business_minutes": -1},
        "first_resolution_minutes_non_negative": {"first_resolution_minutes": -1},
        "full_resolution_minutes_non_negative": {"full_resolution_minutes": -1},
        "requester_wait_minutes_non_negative": {"requester_wait_minutes": -1},
        "requester_wait_business_minutes_non_negative": {"requester_wait_business_minutes": -1},
        "agent_wait_minutes_non_negative": {"agent_wait_minutes": -1},
        "n_reopens_non_negative": {"n_reopens": -1},
        "n_replies_non_negative": {"n_replies": -1},
    },
    "ticket_event": {
        "ticket_present": {"ticket_id": None},
        "ticket_exists": {"ticket_id": NOWHERE},
        "happened_at_present": {"happened_at": None},
        "happened_at_not_in_future": {"happened_at": NEXT_MONTH},
        "event_type_known": {"event_type": "Push", "new_value": None},
        "status_known": {"new_value": "asleep"},
        "is_public_present": {"event_type": "comment", "new_value": None, "is_public": None},
    },
    "rating": {
        "ticket_present": {"ticket_id": None},
        "ticket_exists": {"ticket_id": NOWHERE},
        "score_present": {"score": None},
        "score_known": {"score": "5"},
        "created_at_present": {"created_at": None},
    },
    "product_account": {
        "name_present": {"name": None},
        "crm_account_present": {"crm_account_id": None},
        "crm_account_exists": {"crm_account_id": NOWHERE},
    },
    "product_user": {
        "account_present": {"account_id": None},
        "account_exists": {"account_id": NOWHERE},
        "email_plausible": {"email": "anna"},
        "deactivated_after_activated": {"deactivated_at": LONG_AGO - timedelta(seconds=1)},
    },
    "usage_day": {
        **_DAYS,
        "user_present": {"user_id": None},
        "feature_present": {"feature": None},
        "n_events_present": {"n_events": None},
        "n_events_non_negative": {"n_events": -1},
        "minutes_non_negative": {"minutes": -0.5},
        "minutes_within_day": {"minutes": 1440.5},
    },
    "seat_day": {
        **_DAYS,
        "n_paid_seats_non_negative": {"n_paid_seats": -1, "n_activated_seats": None},
        "n_activated_seats_non_negative": {"n_activated_seats": -1},
        "activated_within_paid": {"n_activated_seats": 11},
    },
}

# Just within every bound.
EDGES: dict[str, list[dict[str, Any]]] = {
    "account": [{"_source_at": TOMORROW, "created_at": TOMORROW}, {"tier": None, "owner_id": None, "domain": None}],
    "contact": [{"role": None, "email": None}],
    "owner": [{"is_active": False, "email": None}],
    "opportunity": [
        {"is_closed": False, "is_won": False, "close_date": None, "amount": None, "opportunity_type": None},
        {"id": "no lines", "amount": 0, "currency": "usd", "notice_months": 0},
        {"amount": 12121, "name": "rounded"},
        {"notice_months": 36, "close_date": date(1990, 1, 1)},
    ],
    "contract_line": [
        {"is_recurring": False, "amount": None, "term_start": None, "term_end": None},
        {"amount": 0, "list_amount": 0, "quantity": 0, "currency": "usd"},
        {"amount": 15000, "term_end": date(2026, 2, 2), "currency": None},
        {"is_evergreen": True, "term_end": None},
        {"is_overage": True, "term_start": None, "term_end": None},
        {"opportunity_id": None, "contract_id": "9"},
    ],
    "activity": [
        {"happened_at": NEXT_MONTH, "is_completed": False, "outcome": None},
        {"happened_at": TOMORROW, "direction": None, "duration_minutes": 0},
    ],
    "invoice": [
        {"amount": 2000.5, "due_on": date(2026, 2, 1), "issued_on": date(2026, 2, 1)},
        {"status": "draft", "due_on": None, "issued_on": None, "currency": None, "amount_open": None},
        {"amount": -100, "amount_open": -100},
    ],
    "lead": [
        {"account_id": None, "qualified_at": None, "sales_qualified_at": None, "converted_at": None},
        {"lead_at": None, "channel": None},
    ],
    "channel_cost": [{"amount": -20, "kind": None, "currency": None, "campaign": None}],
    "survey_response": [{"score": 0}, {"score": 10}, {"kind": "csat", "score": 100, "answered_at": TOMORROW}],
    "milestone": [{"due_on": None, "done_on": None, "owner_id": None}],
    "objective": [{"due_on": None, "done_on": date(1990, 1, 1)}],
    "ticket": [
        {"solved_at": LONG_AGO, "first_reply_minutes": 0},
        {"status": "deleted", "priority": None, "ticket_type": None, "satisfaction": None, "solved_at": None},
    ],
    "ticket_event": [
        {"event_type": "priority", "old_value": None, "new_value": "asleep"},
        {"event_type": "comment", "new_value": None, "is_public": False, "body": None},
        {"happened_at": TOMORROW, "organization_id": None, "actor_id": None},
    ],
    "usage_day": [{"day": date(2026, 11, 21), "n_events": 0, "minutes": 1440}, {"minutes": None}],
    "seat_day": [{"n_paid_seats": 0, "n_activated_seats": 0}, {"n_activated_seats": None}],
}

# A column without a critical rule, so it can vanish without bad rows.
VANISHING = {
    "account": "industry",
    "contact": "job_title",
    "owner": "first_name",
    "opportunity": "name",
    "contract_line": "product",
    "activity": "subject",
    "invoice": "number",
    "lead": "campaign",
    "channel_cost": "campaign",
    "survey_response": "comment",
    "milestone": "kind",
    "objective": "target",
    "organization": "name",
    "support_user": "name",
    "ticket": "subject",
    "ticket_event": "actor_id",
    "rating": "organization_id",
    "product_account": "plan",
    "product_user": "role",
    "usage_day": "minutes",
    "seat_day": "n_activated_seats",
}
STORED = 200


def bad_row(entity: str, name: str) -> dict[str, Any]:
    """Return the changes that make a good row of an entity break one rule."""
    return (COMMON | ROWS[entity])[name]


def _bad_rows(entity: str) -> int:
    rows = good(entity, 100)
    return land(entity, [row | ({"_problems": ["x=y"]} if n < 21 else {}) for n, row in enumerate(rows)])


def _vanished(entity: str) -> int:
    return land(entity, [row | {VANISHING[entity]: None} for row in good(entity, 20)])


def _deleted(entity: str) -> int:
    if "day" in ENTITIES[entity].column_names:
        return land(entity, good(entity, STORED - 11), is_full=True)
    return land(entity, [{"id": row["id"], "_is_deleted": True} for row in good(entity, 11)])


def _grown(entity: str) -> int:
    return land(entity, good(entity, 101, first=STORED + 1))


def _many(entity: str) -> int:
    # From a vendor whose API may repeat a record. From a query it would break another rule.
    return land(entity, good(entity, STORED) * 5 + good(entity), vendor="elsewhere")


def _emptied(entity: str) -> int:
    rows = good(entity, 60)
    return land(entity, [row | ({VANISHING[entity]: None} if n < 40 else {}) for n, row in enumerate(rows)])


def _strange(entity: str) -> int:
    return land(entity, [row | {CATEGORIES[entity][0]: "never seen"} for row in good(entity, 25)])


def _changed(entity: str) -> int:
    return land(entity, [row | {"created_at": LONG_AGO - timedelta(hours=1)} for row in good(entity, 25)])


def _ahead(entity: str) -> int:
    return land(entity, [row | {"_source_at": NOW + timedelta(hours=2)} for row in good(entity, 25)])


def _halved(entity: str) -> int:
    day = date(2026, 11, 18)
    for week in range(1, 5):
        before = {"day": day - timedelta(weeks=week)}
        store(entity, [row | before for row in good(entity, STORED, first=10_000 * week)])
    return land(entity, [row | {"day": day} for row in good(entity, STORED // 2 - 1, first=50_000)])


def _of_no_deal(entity: str) -> int:
    return land(entity, [row | {"opportunity_id": None} for row in good(entity, 20)], is_first_load=True)


def _unmeasured(entity: str) -> int:
    day = date(2026, 11, 17)
    for week in range(1, 5):
        used = good(entity, 12, first=60_000 + 100 * week)
        store(entity, [row | {"account_id": f"a{n}", "day": day - timedelta(weeks=week)} for n, row in enumerate(used)])
    now = good(entity, 12, first=70_000)
    return land(
        entity,
        [
            row | {"account_id": f"a{n}", "day": day, "feature": "reports" if n < 6 else "dashboards"}
            for n, row in enumerate(now)
        ],
    )


def _twice(entity: str) -> int:
    kind = ENTITIES[entity].kind
    return land(entity, [row | {"id": "twice"} for row in good(entity, 2)], vendor=DATABASES[kind])


BATCHES: dict[str, Callable[[str], int]] = {
    "share_of_bad_rows": _bad_rows,
    "columns_filled": _vanished,
    "deletions_few": _deleted,
    "growth_plausible": _grown,
    "volume_usual": _many,
    "nulls_usual": _emptied,
    "values_familiar": _strange,
    "facts_stable": _changed,
    "clocks_agree": _ahead,
    "id_once": _twice,
    "day_complete": _halved,
    "feature_measured": _unmeasured,
    "opportunities_named": _of_no_deal,
}
