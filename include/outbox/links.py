"""Build a message's links into the CRM."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import sqlalchemy as sa

from include.common.texts import gettext, reading
from include.config import Settings
from include.config.channels import INTO_CRM
from include.outbox.message import Link
from include.outbox.store import ALERT_TASK, Delivery

# Part of the shipped templates, until somebody replaces it with their CRM's portal id.
_PLACEHOLDER = "PORTAL"


def account(settings: Settings, source: str, account_id: str) -> tuple[Link, ...]:
    """Return the link to an account; empty if no URL is configured."""
    links = settings.channels.links
    return _link(gettext("Open in the CRM"), links.accounts.get(source, links.account), id=account_id)


def renewal_brief(settings: Settings, account_key: str, renewal_id: str) -> tuple[Link, ...]:
    """Return the link to a renewal's brief; empty if no URL is configured."""
    label = gettext("Renewal brief")
    return _link(label, settings.channels.links.brief, account=account_key, renewal=renewal_id)


def customer_report(settings: Settings, report_id: int) -> tuple[Link, ...]:
    """Return the link to a customer's report; empty if no URL is configured."""
    return _link(gettext("Open the report"), settings.channels.links.customer_report, id=str(report_id))


def with_task(connection: sa.Connection, delivery: Delivery, settings: Settings) -> Delivery:
    """Return a message with the link to its alert's task, if that task has been written; else the message unchanged."""
    if delivery.channel in INTO_CRM:
        return delivery
    task = connection.execute(
        sa.text(
            "select external_id, body ->> 'company_id' as account_id from ops.outbox where channel = 'crm_task'"
            " and state = 'sent' and external_id <> '' and step = :step and entity_kind = :entity_kind"
            " and entity_id = :entity_id and rule = :rule and episode_no = :episode_no"
        ),
        {
            "step": ALERT_TASK,
            "entity_kind": delivery.entity_kind,
            "entity_id": delivery.entity_id,
            "rule": delivery.rule,
            "episode_no": delivery.episode_no,
        },
    ).one_or_none()
    if task is None:
        return delivery
    source, links = delivery.account_key.partition(":")[0], settings.channels.links
    template = links.tasks.get(source, links.task)
    with reading(str(delivery.body.get("language") or "")):
        found = _link(gettext("Open the task"), template, id=task.external_id, account=task.account_id or "")
    if not found:
        return delivery
    linked = [*(link.model_dump(mode="json") for link in found), *delivery.body.get("links", ())]
    return replace(delivery, body={**delivery.body, "links": linked})


def _link(label: str, template: str, **ids: str) -> tuple[Link, ...]:
    if not template or _PLACEHOLDER in template:
        return ()
    for name, value in ids.items():
        template = template.replace(f"{{{name}}}", quote(value, safe=""))
    return (Link(label=label, url=template),)
