"""The sandbox's control API for tests and demos: clock, limits, switches, mutations, and the truth.

GET  /_control/status     clock, world, call counts, limits, switches, faults
POST /_control/clock      {"at": ISO or null} fixes the clock or lets it run; {"advance_seconds": n} advances it
POST /_control/limits     {"zendesk.incremental": [10, 60]} calls per seconds; {"lift": true} allows any number
POST /_control/switches   {"hubspot.index_lag_seconds": 30}; null removes one
POST /_control/faults     a rule (see ``include.sandbox.faults``); DELETE removes one (``?number=``) or all
POST /_control/mutate     see ``include.sandbox.mutate``
GET  /_control/truth      records of a loader without losses or duplicates, per entity (``?ids=1`` with ids)
POST /_control/reset      back to the first day: no faults, writes or messages; clock running or fixed by `at`;
                          {"product": true} also refills the product's database
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from include.sandbox import mutate, truth
from include.sandbox.asgi import Gateway
from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, read_json, reply
from include.sandbox.product import Product

KNOWN_SWITCHES = {
    "hubspot.index_lag_seconds": "seconds by which the search index lags",
    "hubspot.expired_token": "the token is rejected as expired",
    "hubspot.numeric_association_ids": "toObjectId is a number, as in older responses",
    "hubspot.removed_properties": "list of property names that no longer exist",
    "hubspot.shuffle_batches": "results of batch writes come in reverse order",
    "hubspot.properties": "properties created through the API",
    "hubspot.missing_scopes": "list of scopes that the token lacks, such as crm.objects.contacts.read",
    "hubspot.oauth": "tokens issued by the token endpoint",
    "salesforce.sessions": "active sessions, by token; {} ends them all",
    "salesforce.instance_url": "the org's address that the token endpoint returns",
    "salesforce.rotate_refresh_tokens": "every refresh returns a new refresh token",
    "salesforce.page_rows": "rows per page, if a call sets no size",
    "salesforce.added_fields": "list of additional OBJECT.FIELD",
    "salesforce.removed_fields": "list of OBJECT.FIELD that no longer exist",
    "salesforce.retyped_fields": "OBJECT.FIELD: its new type",
    "salesforce.plain_fields": "list of OBJECT.FIELD that are not external ids",
    "salesforce.calculated_fields": "list of OBJECT.FIELD that are formulas",
    "slack.scopes": "list of the token's scopes, as sent in the response header",
    "teams.flow_is_off": "the flow behind the webhook is turned off",
    "zendesk.fields": "fields created by an agent, by list: {ticket_fields: [{id, type, title}]}",
    "product.hold_seconds": "delay in seconds before rows are written, with their original update time",
}


class Control:
    """Handles the control calls.

    Args:
        sandbox: The sandbox.
        gateway: Counts the calls.
        product: The product's database, if there is one.
    """

    def __init__(self, sandbox: Sandbox, gateway: Gateway, product: Product | None) -> None:
        self.sandbox, self.gateway, self.product = sandbox, gateway, product
        self.faults = gateway.faults

    def router(self) -> APIRouter:
        """Return the control API."""
        routes = APIRouter(prefix="/_control")
        routes.add_api_route("/status", self.status, methods=["GET"])
        routes.add_api_route("/clock", self.clock, methods=["POST"])
        routes.add_api_route("/limits", self.limits, methods=["POST"])
        routes.add_api_route("/switches", self.switches, methods=["POST"])
        routes.add_api_route("/faults", self.add_fault, methods=["POST"])
        routes.add_api_route("/faults", self.remove_faults, methods=["DELETE"])
        routes.add_api_route("/mutate", self.mutate, methods=["POST"])
        routes.add_api_route("/truth", self.truth, methods=["GET"])
        routes.add_api_route("/reset", self.reset, methods=["POST"])
        return routes

    async def status(self) -> Response:
        """Return clock, world, call counts, limits, switches and faults."""
        sandbox, span = self.sandbox, self.sandbox.world.span
        return reply(
            {
                "now": sandbox.clock.iso(),
                "world": {"seed": sandbox.world.seed, "anchor": str(span.anchor), "history": str(span.history),
                          "ends": str(span.end), "customers": len(sandbox.world.customers)},
                "calls": dict(self.gateway.calls),
                "limits": sandbox.limits.current(),
                "switches": sandbox.switches,
                "faults": self.faults.listed(),
            }
        )  # fmt: skip

    async def clock(self, request: Request) -> Response:
        """Fix the clock, let it run, or advance it. The product's database is updated before the response."""
        body = await _object(request)
        if "advance_seconds" in body:
            self.sandbox.clock.advance(timedelta(seconds=float(body["advance_seconds"])))
        elif "at" in body:
            self.sandbox.clock.fix(_moment(body["at"]))
        else:
            raise Refusal(400, {"error": "give `at` or `advance_seconds`"})
        self._tick()
        return reply({"now": self.sandbox.clock.iso()})

    async def limits(self, request: Request) -> Response:
        """Change rate limits."""
        body = await _object(request)
        if body.pop("lift", False):
            self.sandbox.limits.lift()
        for name, given in body.items():
            try:
                self.sandbox.limits.set(name, int(given[0]), float(given[1]))
            except (KeyError, TypeError, IndexError):
                known = ", ".join(self.sandbox.limits.current())
                raise Refusal(400, {"error": f"{name}: give [calls, seconds]; known limits: {known}"}) from None
        return reply(self.sandbox.limits.current())

    async def switches(self, request: Request) -> Response:
        """Turn a vendor's misbehaviour on or off."""
        for name, value in (await _object(request)).items():
            if name not in KNOWN_SWITCHES:
                raise Refusal(400, {"error": f"unknown switch {name}", "known": KNOWN_SWITCHES})
            if value is None:
                self.sandbox.switches.pop(name, None)
            else:
                self.sandbox.switches[name] = value
        self.sandbox.store.version += 1  # derived data may look different now
        self.sandbox.keep_switches()
        return reply(self.sandbox.switches)

    async def add_fault(self, request: Request) -> Response:
        """Activate a fault."""
        return reply({"number": self.faults.add(await _object(request))})

    async def remove_faults(self, number: int | None = None) -> Response:
        """Remove one fault, or all."""
        self.faults.remove(number)
        return reply({"faults": self.faults.listed()})

    async def mutate(self, request: Request) -> Response:
        """Change records."""
        body = await _object(request)
        done = mutate.mutate(self.sandbox, body)
        if self.product and body["kind"] in ("workspace", "member"):
            self.product.resync()
        return reply(done)

    async def truth(self, ids: bool = False) -> Response:
        """Return the records that a perfect loader would have."""
        return reply(truth.entities(self.sandbox, self.product, ids))

    async def reset(self, request: Request) -> Response:
        """Return to the first day. `at` fixes the clock."""
        sandbox = self.sandbox
        body = await _object(request)
        sandbox.clock.fix(_moment(body.get("at")))
        sandbox.limits.reset()
        self.faults.remove()
        sandbox.switches.clear()
        sandbox.keep_switches()
        sandbox.journal.forget_sent()
        sandbox.store.forget_writes()
        self.gateway.calls.clear()
        if self.product:
            self.product.reload() if body.get("product") else self.product.tick()
        return reply({"now": sandbox.clock.iso()})

    def _tick(self) -> None:
        if self.product:
            self.product.tick()


async def _object(request: Request) -> dict[str, Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise Refusal(400, {"error": "the body must be a JSON object"})
    return body


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Refusal(400, {"error": f"{text} is not an ISO time"}) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
