"""The demo's configuration overlay. Channels are on, because they lead only to the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from include.config import files, load
from include.deliver import holds
from include.sandbox import mapping
from include.sandbox.parameters import TEAMS

# Property of the sandbox's companies -> the value that Perennial writes to it.
WRITTEN_FIELDS = {
    "perennial_risk": "risk_band",
    "perennial_open_risks": "open_risks",
    "perennial_next_decision": "next_decision_on",
    "perennial_last_alert": "last_alert_on",
}
# The shipped example of a query for spend: the sandbox has its table.
SPEND = files.shipped("sql", "sources/product/channel_cost.sql")
# Reads messages in Chinese, so that the inbox shows both languages.
CHINESE_READER = "lead.growth@vendor.example"
NOTE = "# Written by the demo at every start.\n"


def write(home: Path, sandbox: dict[str, Any]) -> None:
    """Write the overlay for ``PERENNIAL_CONFIG_DIR``.

    Args:
        home: The demo's folder.
        sandbox: The sandbox's note of its addresses.
    """
    folder = home / "overlay" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    channels = {
        "slack": {"dry_run": False},
        "email": {"dry_run": False},
        "crm_task": {"dry_run": False},
        "crm_field": {"dry_run": False, "fields": {"crm": WRITTEN_FIELDS}},
        "links": {
            "account": f"{sandbox['url']}/crm/companies/{{id}}",
            "opportunity": f"{sandbox['url']}/crm/deals/{{id}}",
            "task": f"{sandbox['url']}/crm/tasks/{{id}}",
        },
    }
    mappings = folder / "mappings"
    mappings.mkdir(exist_ok=True)
    style = sandbox["world"]["custom"]
    (mappings / "hubspot.yaml").write_text(NOTE + mapping.of_style(style))
    # The sandbox shows every row at once, except Zendesk, which never exports the last minute.
    sources = [source.model_dump(mode="json") for source in load().sources]
    for source in sources:
        source["lag_seconds"] = 61 if source["kind"] == "support" else 0
    # The first write goes to every account, and nobody is there to approve it.
    caps = {"actions_per_run": 2000, "share_of_book": 1}
    renewals = {} if style == "ideal" else {"renewal_pipelines": mapping.RENEWAL_PIPELINES}
    # A head and leads, so that their digests and reports are in the inbox.
    people = {"head": _person("Joan Clarke"), "team_leads": {team: _person(f"Lead {team}") for team in TEAMS}}
    people["readers"] = {CHINESE_READER: {"language": "zh_CN", "zone": "Asia/Shanghai"}}
    viewers = {"viewers": {"admin": {"role": "head"}, "colleague": {"role": "executive"}}}
    written = {
        "channels": channels,
        "settings": {"sources": sources},
        "caps": caps,
        "renewals": renewals,
        "viewers": viewers,
        "people": people,
    }
    queries = folder.parent / "sql" / "sources" / "product"
    queries.mkdir(parents=True, exist_ok=True)
    (queries / "channel_cost.sql").write_text(mapping.without_dashes(SPEND.read_text(encoding="utf-8")))
    for name, settings in written.items():
        (folder / f"{name}.yaml").write_text(NOTE + yaml.safe_dump(settings, sort_keys=False))


def _person(name: str) -> dict[str, str]:
    # The sandbox's Slack knows only CSMs: others read in a channel.
    return {"name": name, "email": f"{name.lower().replace(' ', '.')}@vendor.example", "slack": "#cs-operations"}


def release_mail() -> None:
    """Release mail in a new store. A mail server cannot be queried, but this one started as empty as the outbox."""
    for state in holds.states():
        if state.channel == "email" and state.is_on_hold and not state.changed_by:
            holds.release("email", "the sandbox's mail server has sent nothing unknown to this store", "demo")
