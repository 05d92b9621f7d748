"""The mapping file of a portal: HubSpot's shipped mapping, adapted to how this portal records contracts."""

from __future__ import annotations

import re
from typing import Any

import yaml

from include.config import files

SHIPPED = files.shipped("config", "mappings/hubspot.yaml")
OWN_OBJECTS = "Remove the # and adapt.\n"
# Style (see ``world.build``) -> entity -> column -> rule; None removes the column.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "ideal": {},
    "found": {"opportunity": {"renews_id": "renewed_deal"}},
    "deals": {
        "opportunity": {
            "opportunity_type": {"property": "dealtype", "values": {"newbusiness": "new"}},
            "contract_number": None,
            "term_start": "contract_start_date",
            "term_end": {"property": "contract_end_date", "add_days": 1},
            "term_months": "contract_term_months",
        }
    },
    "companies": {
        "opportunity": {
            "opportunity_type": {"property": "dealtype", "values": {"newbusiness": "new"}},
            "contract_number": None,
        },
        "account": {
            "contract_arr": "annual_recurring_revenue",
            "contract_start": "contract_start_date",
            "renewal_date": "renewal_date",
            "contract_status": "customer_status",
        },
    },
}
RENEWAL_PIPELINES = ["75122310"]


def of_style(style: str) -> str:
    """Return the mapping file of a portal."""
    text = with_own_objects(SHIPPED.read_text(encoding="utf-8"))
    if not CHANGES[style]:
        return text
    mapping = yaml.safe_load(text)
    for entity, columns in CHANGES[style].items():
        kept = mapping["entities"][entity]["columns"] | columns
        mapping["entities"][entity]["columns"] = {name: rule for name, rule in kept.items() if rule is not None}
    return yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)


def without_dashes(query: str) -> str:
    """Return an example of a query, which is a comment, as a query."""
    note, marker, example = query.partition("-- select\n")
    return note + re.sub(r"^-- ?", "", marker + example, flags=re.MULTILINE)


def with_own_objects(mapping: str) -> str:
    """Return HubSpot's shipped mapping with its commented examples of custom objects enabled: the sandbox has them."""
    mapping = re.sub(r"# (referred_by_id: ).*", r"\1referring_company", mapping)
    before, marker, examples = mapping.partition(OWN_OBJECTS)
    return before + marker + re.sub(r"^  # ", "  ", examples, flags=re.MULTILINE)
