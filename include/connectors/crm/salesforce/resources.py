"""What Salesforce has, and where: declarations only."""

from __future__ import annotations

from dataclasses import dataclass

# The API's version is here only. Salesforce keeps each for many years.
DATA = "/services/data/v62.0"
TOKEN = "/services/oauth2/token"  # noqa: S105 - a path
CURSOR = "SystemModstamp"
# A request's address and headers together may have 16,384 bytes; what is longer is refused with 414 or 431.
LONGEST_QUERY = 12_000
# So many ids, quoted and encoded, stay well below that.
IDS_PER_QUERY = 300
# The field of tasks by which Perennial knows its own.
KEY_FIELD = "Perennial_Key__c"


@dataclass(frozen=True)
class Related:
    """Records next to the object that say something of it, such as a contact's roles.

    Args:
        sobject: Their object. In the mapping its fields are named ``OBJECT.FIELD``.
        key: Their field that holds the id of the record they belong to.
        same: A field that must be the same on both for the related record to count; "" for none.
    """

    sobject: str
    key: str
    same: str = ""


@dataclass(frozen=True)
class Resource:
    """One object.

    Args:
        entity: What it is mapped onto.
        sobject: Its API name; "" where the mapping names it.
        related: Related objects whose fields may be mapped.
        empty: A field that must be empty for a record to count; "" for none.
        past: The object that keeps what its fields were, and that object's field for the record; "" for none.
    """

    entity: str
    sobject: str = ""
    related: tuple[Related, ...] = ()
    empty: str = ""
    past: tuple[str, str] = ("", "")


RESOURCES = (
    Resource("account", "Account", past=("AccountHistory", "AccountId")),
    Resource(
        "contact",
        "Contact",
        related=(
            # A contact may be related to several accounts: only its role at its own account counts.
            Related("AccountContactRelation", "ContactId", same="AccountId"),
            Related("OpportunityContactRole", "ContactId"),
        ),
        past=("ContactHistory", "ContactId"),
    ),
    Resource("owner", "User"),
    Resource("opportunity", "Opportunity", past=("OpportunityFieldHistory", "OpportunityId")),
    Resource("contract_line", "OpportunityLineItem"),
    # Calls, mails and to-dos are all tasks; those that Perennial itself has made are nobody's activity.
    Resource("activity", "Task", empty=KEY_FIELD),
    Resource("activity", "Event"),
    # The customer's own objects: the mapping names them.
    Resource("invoice"),
    Resource("survey_response"),
    Resource("milestone"),
    Resource("objective"),
)
ENTITIES_MAPPED = tuple(dict.fromkeys(resource.entity for resource in RESOURCES))
