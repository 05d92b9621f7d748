"""The HTTP application of all vendors."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response

from include.sandbox import robots
from include.sandbox.asgi import Gateway
from include.sandbox.control import Control
from include.sandbox.core import Sandbox
from include.sandbox.faults import Faults
from include.sandbox.http import Refusal, reply
from include.sandbox.hubspot import associations, meta, oauth, objects, search, writes
from include.sandbox.pages import routes
from include.sandbox.product import Product
from include.sandbox.salesforce import guard, query, records
from include.sandbox.salesforce import meta as salesforce_meta
from include.sandbox.slack import api
from include.sandbox.zendesk import exports, fields, lists


def application(sandbox: Sandbox, product: Product | None) -> Gateway:
    """Return the ASGI application of a sandbox."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    # Order matters: specific routes precede the patterns that would swallow them.
    for vendor in (oauth, meta, search, associations, writes, objects):
        app.include_router(vendor.router(sandbox), prefix="/hubspot")
    for org in (guard, salesforce_meta, query, records):
        app.include_router(org.router(sandbox), prefix="/salesforce")
    for desk in (fields, exports, lists):
        app.include_router(desk.router(sandbox), prefix="/zendesk")

    app.include_router(api.router(sandbox))
    app.include_router(robots.router(sandbox))
    app.include_router(routes.router(sandbox))
    gateway = Gateway(app, Faults())
    app.include_router(Control(sandbox, gateway, product).router())

    @app.exception_handler(Refusal)
    async def refuse(request: Request, refusal: Refusal) -> Response:
        return reply(refusal.body, refusal.status, refusal.headers)

    return gateway
