"""Salesforce's objects and endpoints: declarations only."""

from __future__ import annotations

from dataclasses import dataclass

# The API version is defined only here. Salesforce supports each version for many years.
DATA = "/services/data/v62.0"
TOKEN = "/services/oauth2/token"  # noqa: S105 - a path
CURSOR = "SystemModstamp"
# The URL and headers of a request are limited to 16,384 bytes. Salesforce rejects longer ones with 414 or 431.
MAX_QUERY_LENGTH = 12_000
# This many ids, quoted and encoded, stay well below that limit.
IDS_PER_QUERY = 300
# Task field that identifies tasks created by Perennial.
KEY_FIELD = "Perennial_Key__c"


@dataclass(frozen=True)
class Related:
    """Records related to the object, such as a contact's roles.

    Args:
        sobject: The related object. In the mapping its fields are named ``OBJECT.FIELD``.
        key: Its field with the id of the record.
        same: A field that must be equal on both for the related record to count; "" for none.
    """

    sobject: str
    key: str
    same: str = ""


@dataclass(frozen=True)
class Resource:
    """One object.

    Args:
        entity: The entity that it is mapped to.
        sobject: Its API name; "" if the mapping names it.
        related: Related objects whose fields may be mapped.
        empty: A field that must be empty for a record to count; "" for none.
        history_source: The object that stores its field history, and its field with the record's id; "" for none.
    """

    entity: str
    sobject: str = ""
    related: tuple[Related, ...] = ()
    empty: str = ""
    history_source: tuple[str, str] = ("", "")


RESOURCES = (
    Resource("account", "Account", history_source=("AccountHistory", "AccountId")),
    Resource(
        "contact",
        "Contact",
        related=(
            # A contact may be related to several accounts. Only its role at its own account counts.
            Related("AccountContactRelation", "ContactId", same="AccountId"),
            Related("OpportunityContactRole", "ContactId"),
        ),
        history_source=("ContactHistory", "ContactId"),
    ),
    Resource("owner", "User"),
    Resource("opportunity", "Opportunity", history_source=("OpportunityFieldHistory", "OpportunityId")),
    Resource("contract_line", "OpportunityLineItem"),
    Resource("lead", "Lead"),
    # Calls, emails and to-dos are all tasks. Tasks that Perennial created are not activities.
    Resource("activity", "Task", empty=KEY_FIELD),
    Resource("activity", "Event"),
    # Custom objects: the mapping names them.
    Resource("invoice"),
    Resource("survey_response"),
    Resource("milestone"),
    Resource("objective"),
)
ENTITIES_MAPPED = tuple(dict.fromkeys(resource.entity for resource in RESOURCES))
