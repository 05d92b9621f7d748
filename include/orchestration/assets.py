"""The assets that link the DAGs. Each event carries its producer's result, shown on the asset's page."""

from __future__ import annotations

from airflow.sdk import Asset

from include.config import load
from include.orchestration.dag_ids import PREFIX


def _asset(name: str, about: str) -> Asset:
    return Asset(name=f"{PREFIX}{name}", uri=f"perennial://{PREFIX or 'warehouse'}/{name}", extra={"about": about})


_ABOUT = {
    "crm": "accounts, contacts, contracts and owners as last merged",
    "support": "tickets, users and ratings as last merged",
    "product": "accounts, users, usage and seats as last merged",
}

# One asset for each connection in the settings. Its events carry the source's verdict (green, red, stale) and
# watermark. Every run publishes one, red runs too.
SOURCES: dict[str, Asset] = {source.id: _asset(source.id, _ABOUT[source.kind]) for source in load().sources}

KPIS = _asset("kpis", "the tables of core and marts as last built")
DECISIONS = _asset("decisions", "signals and playbooks as last decided")
OUTBOX = _asset("outbox", "messages and tasks as last decided")
