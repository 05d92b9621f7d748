"""The assets that link the DAGs. Each event carries its producer's result, shown on the asset's page."""

from __future__ import annotations

from airflow.sdk import Asset

from include.config import load
from include.orchestration.dag_ids import PREFIX


def _asset(name: str, about: str) -> Asset:
    return Asset(name=f"{PREFIX}{name}", uri=f"perennial://{PREFIX or 'warehouse'}/{name}", extra={"about": about})


_ABOUT = {
    "crm": "last merge of accounts, contacts, contracts and owners",
    "support": "last merge of tickets, users and ratings",
    "product": "last merge of accounts, users, usage and seats",
}

# One asset for each connection in the settings. Its events carry the source's verdict (green, red, stale) and
# watermark. Every run publishes one, red runs too.
SOURCES: dict[str, Asset] = {source.id: _asset(source.id, _ABOUT[source.kind]) for source in load().sources}

KPIS = _asset("kpis", "last build of the tables in core and marts")
DECISIONS = _asset("decisions", "last decision about signals and playbooks")
OUTBOX = _asset("outbox", "last planned messages and tasks")
