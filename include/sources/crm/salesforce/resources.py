"""What Salesforce has, and where: declarations only."""

from __future__ import annotations

from dataclasses import dataclass

# The API's version stands here only. Salesforce keeps each for many years.
DATA = "/services/data/v62.0"
TOKEN = "/services/oauth2/token"  # noqa: S105 - a path
CURSOR = "SystemModstamp"
# A request's address and headers together may have 16,384 bytes; what is longer is refused with 414 or 431.
LONGEST_QUERY = 12_000
# So many ids, quoted and encoded, stay well below that.
IDS_PER_QUERY = 300


@dataclass(frozen=True)
class Related:
    """Records beside the object that say something of it, such as a contact's roles.

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
        sobject: Its API name.
        related: Related objects whose fields may be mapped.
    """

    entity: str
    sobject: str
    related: tuple[Related, ...] = ()


RESOURCES = (
    Resource("account", "Account"),
    Resource(
        "contact",
        "Contact",
        related=(
            # A contact may be related to several accounts: only its role at its own account counts.
            Related("AccountContactRelation", "ContactId", same="AccountId"),
            Related("OpportunityContactRole", "ContactId"),
        ),
    ),
    Resource("owner", "User"),
    Resource("opportunity", "Opportunity"),
    Resource("contract_line", "OpportunityLineItem"),
)
