"""The routes of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from include.config.channels import LABELS
from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, iso_ms, reply
from include.sandbox.hubspot.associations import associated
from include.sandbox.hubspot.render import show
from include.sandbox.hubspot.schema import find_type
from include.sandbox.pages import mails, mrkdwn
from include.sandbox.slack.directory import channel_name
from include.sandbox.store import Item

MOST_SHOWN = 500
# Nothing in a mail or record may run or be fetched.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def router(sandbox: Sandbox) -> APIRouter:
    routes = APIRouter()
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
    templates.filters["mrkdwn"] = mrkdwn.rendered

    def page(name: str, **values: Any) -> Response:
        return HTMLResponse(templates.get_template(name).render(**values), headers=HEADERS)

    @routes.get("/")
    async def start() -> Response:
        return RedirectResponse("/inbox")

    @routes.get("/inbox.json")
    async def inbox_json() -> Response:
        return reply({"mails": [mails.shown(mail) for mail in sandbox.journal.mails()], "messages": _messages(sandbox)})

    @routes.get("/inbox")
    async def inbox() -> Response:
        entries = [{"kind": "mail", **mails.shown(mail)} for mail in sandbox.journal.mails()]
        entries += [{"kind": "message", **message} for message in _messages(sandbox)]
        entries.sort(key=lambda entry: entry["at"], reverse=True)
        return page("inbox.html", entries=entries[:MOST_SHOWN], n_entries=len(entries))

    @routes.get("/inbox/mail/{seq}")
    async def mail(seq: int) -> Response:
        found = next((mail for mail in sandbox.journal.mails() if mail["seq"] == seq), None)
        if found is None:
            raise Refusal(404, "<h1>There is no such mail</h1>")
        return page("mail.html", mail=mails.shown(found))

    @routes.get("/inbox/message/{seq}")
    async def message(seq: int) -> Response:
        found = next((message for message in _messages(sandbox) if message["seq"] == seq), None)
        if found is None:
            raise Refusal(404, "<h1>There is no such message</h1>")
        return page("message.html", message=found)

    @routes.get("/crm/{name}/{number}")
    async def record(name: str, number: str) -> Response:
        sandbox.now()
        kind = find_type(name)
        item = sandbox.store.items(kind.kind).get(int(number)) if kind and number.isdigit() else None
        if kind is None or item is None:
            raise Refusal(404, "<h1>There is no such record</h1>")
        properties = show(sandbox, kind, item, everything=True)["properties"]
        shown = {n: v for n, v in properties.items() if v != ""}
        return page("record.html", title=_title(item), kind=kind.singular, item=item, properties=shown,
                    owner=_owner(sandbox, item), deals=_associated(sandbox, item, "deal"),
                    companies=_associated(sandbox, item, "company"), contacts=_associated(sandbox, item, "contact"),
                    tasks=_associated(sandbox, item, "task"))  # fmt: skip

    @routes.get("/contacts/{portal}/record/{type_id}/{number}")
    async def as_linked(portal: str, type_id: str, number: str) -> Response:
        kind = find_type(type_id)
        return RedirectResponse(f"/crm/{kind.singular if kind else type_id}/{number}")

    return routes


def _messages(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [
        {
            **message,
            "at": iso_ms(message["at"]),
            "channel_name": channel_name(sandbox, message["channel"]),
            "vendor": LABELS.get(message.get("via", ""), "Slack"),
        }
        for message in sandbox.journal.messages()
    ]


def _title(item: Item) -> str:
    values = item.values
    person = f"{values.get('first_name') or ''} {values.get('last_name') or ''}".strip()
    return values.get("name") or values.get("hs_task_subject") or values.get("product") or person or str(item.id)


def _owner(sandbox: Sandbox, item: Item) -> str:
    number = item.values.get("owner")
    owner = sandbox.store.items("owner").get(int(number)) if number else None
    if owner is None:
        return "nobody"
    return f"{owner.values['first_name']} {owner.values['last_name']}" + (" (deactivated)" if owner.deleted_at else "")


def _associated(sandbox: Sandbox, item: Item, kind: str) -> list[dict[str, Any]]:
    if kind == item.kind:
        return []
    items = sandbox.store.items(kind)
    return [
        {
            "id": number,
            "title": _title(items[number]),
            "values": items[number].values,
            "owner": _owner(sandbox, items[number]),
        }
        for number, _ in associated(sandbox, item, kind)
    ]
