"""HubSpot's objects and endpoints: declarations only."""

from __future__ import annotations

from dataclasses import dataclass

# HubSpot also publishes dated paths. The prefix is defined only here.
OBJECTS = "/crm/v3/objects"
ASSOCIATIONS = "/crm/v4/associations"
OWNERS = "/crm/v3/owners"
PROPERTIES = "/crm/v3/properties"
PIPELINES = "/crm/v3/pipelines"
TOKEN = "/oauth/2026-03/token"  # noqa: S105 - a path
INTROSPECT = "/oauth/2026-03/token/introspect"
TOKEN_INFO = "/oauth/v2/private-apps/get/access-token-info"  # noqa: S105 - a path
USAGE = "/account-info/v3/api-usage/daily/private-apps"

OWNER_SCOPE = "crm.objects.owners.read"
# Writing channel -> required scopes. The contacts scopes also cover tasks and the property that prevents duplicates.
WRITE_SCOPES = {
    "crm_task": ("crm.objects.contacts.write", "crm.schemas.contacts.write"),
    "crm_field": ("crm.objects.companies.write",),
}

LIST_PAGE = 100
HISTORY_PAGE = 50
SEARCH_PAGE = 200
BATCH_READ = 100
ASSOCIATION_BATCH = 1000
# Longer lists of property names in a URL risk a 414. They are then sent in a body.
MAX_NAMES_LENGTH = 3000


@dataclass(frozen=True)
class Association:
    """A column that comes from an association, not from a property.

    Args:
        column: The entity's column. If several associations fill one column, the first with a value wins.
        path: Object types from the record to the object whose id fills the column.
        of: An extra object. The association is used only if the mapping names it, and its ids get its name as a prefix.
    """

    column: str
    path: tuple[str, ...]
    of: str = ""


@dataclass(frozen=True)
class Resource:
    """One object type.

    Args:
        entity: The entity that it is mapped to.
        object_type: HubSpot's name of it in paths; "" if the mapping names it.
        cursor: The property with its change time.
        merged: The properties with the ids of records merged into it. A single one may be incomplete.
        associations: Columns that come from associations.
        primary: The property with the primary company, for the search, which returns no associations.
        tracked_columns: Columns whose history is requested once, after the first load.
        scopes: Scopes that an app needs to read it.
        is_extra: It is read in addition to the entity's own object, and only if the mapping names it.
    """

    entity: str
    object_type: str = ""
    cursor: str = "hs_lastmodifieddate"
    merged: tuple[str, ...] = ()
    associations: tuple[Association, ...] = ()
    primary: str = ""
    tracked_columns: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    is_extra: bool = False


def _standard(object_type: str) -> tuple[str, ...]:
    return f"crm.objects.{object_type}.read", f"crm.schemas.{object_type}.read"


_TO_COMPANY = Association("account_id", ("companies",))
_TO_CONTACT = Association("contact_id", ("contacts",))
# Activities are often associated only with the person, and so are some deals.
_OF_CONTACT = Association("account_id", ("contacts", "companies"))
_ENGAGEMENT = ("crm.objects.contacts.read",)
_CUSTOM = ("crm.objects.custom.read",)
_WITH_PEOPLE = (_TO_CONTACT, _TO_COMPANY, _OF_CONTACT)

RESOURCES = (
    Resource(
        "account",
        "companies",
        merged=("hs_merged_object_ids",),
        tracked_columns=("name", "industry", "region", "tier", "owner_id", "parent_id", "lifecycle_stage", "is_test"),
        scopes=_standard("companies"),
    ),
    Resource(
        "contact",
        "contacts",
        cursor="lastmodifieddate",
        merged=("hs_merged_object_ids", "hs_calculated_merged_vids"),
        associations=(_TO_COMPANY,),
        primary="associatedcompanyid",
        tracked_columns=("role", "job_title", "owner_id"),
        scopes=_standard("contacts"),
    ),
    Resource(
        "opportunity",
        "deals",
        merged=("hs_merged_object_ids",),
        associations=(_TO_COMPANY, _OF_CONTACT),
        primary="hs_primary_associated_company",
        tracked_columns=(
            "pipeline",
            "stage",
            "is_closed",
            "is_won",
            "opportunity_type",
            "contract_number",
            "amount",
            "close_date",
            "notice_months",
            "is_auto_renew",
            "notice_given_on",
            "owner_id",
        ),
        scopes=_standard("deals"),
    ),
    # developers.hubspot.com/docs/api-reference/latest/crm/objects/commerce-subscriptions/guide
    Resource(
        "opportunity",
        "subscriptions",
        associations=(_TO_COMPANY, _OF_CONTACT),
        scopes=_standard("subscriptions"),
        is_extra=True,
    ),
    Resource(
        "contract_line",
        "line_items",
        # A line item has one parent: the deal's line items are cloned for the subscription.
        associations=(
            Association("opportunity_id", ("subscriptions",), of="subscriptions"),
            Association("opportunity_id", ("deals",)),
            Association("account_id", ("subscriptions", "companies"), of="subscriptions"),
            Association("account_id", ("subscriptions", "contacts", "companies"), of="subscriptions"),
            Association("account_id", ("deals", "companies")),
            Association("account_id", ("deals", "contacts", "companies")),
        ),
        tracked_columns=(
            "product",
            "quantity",
            "amount",
            "unit_price",
            "list_amount",
            "billing_frequency",
            "is_recurring",
            "is_evergreen",
            "term_start",
            "term_end",
            "term_months",
        ),
        scopes=_standard("line_items"),
    ),
    # The same object again: whether a portal records lifecycle stages must not decide whether its contacts are read.
    Resource(
        "lead",
        "contacts",
        cursor="lastmodifieddate",
        merged=("hs_merged_object_ids", "hs_calculated_merged_vids"),
        associations=(_TO_COMPANY,),
        primary="associatedcompanyid",
        scopes=_standard("contacts"),
    ),
    Resource("activity", "calls", associations=_WITH_PEOPLE, scopes=_ENGAGEMENT),
    Resource("activity", "meetings", associations=_WITH_PEOPLE, scopes=_ENGAGEMENT),
    Resource("activity", "emails", associations=_WITH_PEOPLE, scopes=(*_ENGAGEMENT, "sales-email-read")),
    Resource("activity", "notes", associations=_WITH_PEOPLE, scopes=_ENGAGEMENT),
    Resource("invoice", "invoices", associations=(_TO_COMPANY, _OF_CONTACT), scopes=("crm.objects.invoices.read",)),
    Resource(
        "survey_response",
        "feedback_submissions",
        associations=_WITH_PEOPLE,
        scopes=("crm.objects.feedback_submissions.read",),
    ),
    # Custom objects: the mapping names them.
    Resource("milestone", associations=(_TO_COMPANY,), scopes=_CUSTOM),
    Resource("objective", associations=(_TO_COMPANY,), scopes=_CUSTOM),
)
ENTITIES_MAPPED = tuple(dict.fromkeys(resource.entity for resource in RESOURCES))
