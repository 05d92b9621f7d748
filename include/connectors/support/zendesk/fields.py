"""Custom fields of a Zendesk account. Zendesk's own fields always exist."""

from __future__ import annotations

from include.common.errors import Unavailable
from include.connectors.support.zendesk.api import ZendeskApi
from include.http.client import Refused

_LISTS = {"ticket": "ticket_fields", "organization": "organization_fields", "support_user": "user_fields"}
_MAX_PAGES = 50


def field_types(api: ZendeskApi, entity: str) -> dict[str, str]:
    """Return field -> type. A field is named by its title and its id, because the title may change."""
    name = _LISTS.get(entity)
    if name is None:
        return {}
    found: dict[str, str] = {}
    after: str | None = None
    for _ in range(_MAX_PAGES):
        try:
            rows, after = api.list_page(name, after)
        except Refused as error:
            if error.status == 404:  # not every plan has user and organisation fields
                return {}
            raise
        found |= {f"{row.get('title', '')} ({row['id']})": str(row.get("type", "")) for row in rows}
        if after is None:
            return found
    raise Unavailable(f"Zendesk returned more than {_MAX_PAGES} pages of {name}", cure="try again later")
