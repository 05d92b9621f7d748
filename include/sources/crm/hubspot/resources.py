"""What HubSpot has, and where: declarations only."""

from __future__ import annotations

from dataclasses import dataclass

# HubSpot also publishes dated paths; the prefix stands here only.
OBJECTS = "/crm/v3/objects"
ASSOCIATIONS = "/crm/v4/associations"
OWNERS = "/crm/v3/owners"
PROPERTIES = "/crm/v3/properties"

LIST_PAGE = 100
SEARCH_PAGE = 200
BATCH_READ = 100
ASSOCIATION_BATCH = 1000
# Names of properties in a URL beyond this many characters risk a 414 (case 6); they then go into a body.
LONGEST_NAMES = 3000


@dataclass(frozen=True)
class Association:
    """A column that comes from an association, not from a property.

    Args:
        column: The entity's column.
        path: Object types from the record to the one whose id fills the column.
    """

    column: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Resource:
    """One type of object.

    Args:
        entity: What it is mapped onto.
        object_type: HubSpot's name of it in paths.
        cursor: The property that says when it was last changed.
        merged: The properties that name the records merged into it; one alone may miss some (case 12).
        associations: Columns that come from associations.
    """

    entity: str
    object_type: str
    cursor: str = "hs_lastmodifieddate"
    merged: tuple[str, ...] = ()
    associations: tuple[Association, ...] = ()


RESOURCES = (
    Resource("account", "companies", merged=("hs_merged_object_ids",)),
    Resource(
        "contact",
        "contacts",
        cursor="lastmodifieddate",
        merged=("hs_merged_object_ids", "hs_calculated_merged_vids"),
        associations=(Association("account_id", ("companies",)),),
    ),
    Resource("opportunity", "deals", associations=(Association("account_id", ("companies",)),)),
    Resource(
        "contract_line",
        "line_items",
        associations=(Association("opportunity_id", ("deals",)), Association("account_id", ("deals", "companies"))),
    ),
)
