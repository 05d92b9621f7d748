"""Start the sandbox vendors, keep them running, and stop them cleanly."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TextIO

import uvicorn

from include.common import clock
from include.common.errors import ConfigError, PerennialError
from include.sandbox import parameters as p
from include.sandbox.app import application
from include.sandbox.asgi import Gateway
from include.sandbox.clock import WorldClock
from include.sandbox.core import Sandbox
from include.sandbox.hubspot.oauth import credentials
from include.sandbox.journal import Journal
from include.sandbox.product import Product
from include.sandbox.robots import FLOW
from include.sandbox.salesforce import guard as salesforce
from include.sandbox.smtp import Sink
from include.sandbox.store import Store
from include.sandbox.world.build import build
from include.sandbox.world.customers import Span
from include.sandbox.zendesk.guard import EMAIL

HOST = "127.0.0.1"
READY_FILE = "sandbox.json"


@dataclass(frozen=True)
class Options:
    """How to serve.

    Args:
        home: Folder for the state and for ``sandbox.json``, which exists while the sandbox is ready.
        port: HTTP port; 0 for the port of the last run, else any free one.
        smtp_port: The same for mail.
        product_url: SQLAlchemy URL of an existing PostgreSQL database for the product's data; "" for none.
        seed: The world's seed; None for the last one used, else 7.
        anchor: The world's today; None for the last one used, else today.
        customers: Customers signed by the anchor; None for the last number used, else the default.
        style: How contracts are recorded (see ``world.build``); None for the last one used, else ``ideal``.
    """

    home: Path
    port: int = 0
    smtp_port: int = 0
    product_url: str = ""
    seed: int | None = None
    anchor: date | None = None
    customers: int | None = None
    style: str | None = None


def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        PerennialError: A port is in use, the folder is not writable or in use, or the product's database is
            unreachable.
    """
    journal = Journal(options.home / "sandbox.db")
    lock = _lock(options.home)
    ready = options.home / READY_FILE
    ready.unlink(missing_ok=True)
    web, mail = _bind(journal, "port", options.port), _bind(journal, "smtp_port", options.smtp_port)
    sandbox = _open(options, journal)
    sandbox.url = f"http://{HOST}:{web.getsockname()[1]}"
    product = Product(sandbox, options.product_url) if options.product_url else None
    try:
        if product:
            product.load()
        note = describe(sandbox, mail.getsockname()[1], product)
        asyncio.run(_run(application(sandbox, product), web, mail, sandbox, product, lambda: _announce(ready, note)))
    finally:
        ready.unlink(missing_ok=True)
        if product:
            product.close()
        journal.close()
        lock.close()


def _lock(home: Path) -> TextIO:
    file = (home / "sandbox.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PerennialError(
            f"another sandbox already uses {home}", cure="stop it, or choose another folder with --home"
        ) from None
    return file


def _bind(journal: Journal, name: str, wanted: int) -> socket.socket:
    """Return a listening socket: on the given port, on the last one used, or on any free one."""
    for port in dict.fromkeys((wanted or int(journal.get(name) or 0), wanted)):
        # Name the protocol: only then does asyncio disable Nagle's algorithm.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(256)
        except OSError as error:
            listener.close()
            reason = error.strerror
            continue
        journal.put(name, str(listener.getsockname()[1]))
        return listener
    raise PerennialError(
        f"the sandbox cannot listen on {HOST}:{wanted}: {reason}",
        cure=f"choose another port with --{name.replace('_', '-')}, or 0 for a free one",
    )


def _open(options: Options, journal: Journal) -> Sandbox:
    today = clock.now().date()
    anchor = date.fromisoformat(_settled(journal, "anchor", options.anchor, today))
    seed = int(_settled(journal, "seed", options.seed, 7))
    count = int(_settled(journal, "customers", options.customers, p.CUSTOMERS))
    end = Span.around(anchor).end
    if today >= end:
        raise PerennialError(
            f"the sandbox's world of {anchor} ended on {end}", cure=f"remove {options.home} to start a new one"
        )
    world = build(seed, anchor, count, _settled(journal, "custom", options.style, "ideal"))
    world_clock = WorldClock()
    sandbox = Sandbox(world, journal, world_clock, Store(world.records, journal, world_clock.now))
    sandbox.switches.update(json.loads(journal.get("switches") or "{}"))
    return sandbox


def _settled(journal: Journal, name: str, wanted: Any, default: Any) -> str:
    """Return a parameter that the world was first built with. It cannot change within a folder."""
    kept = journal.get(name)
    if kept is not None and wanted is not None and str(wanted) != kept:
        raise ConfigError(
            f"this sandbox was created with {name} {kept}, not {wanted}",
            cure=f"omit --{name}, or choose another folder with --home",
        )
    value = kept or str(default if wanted is None else wanted)
    journal.put(name, value)
    return value


def describe(sandbox: Sandbox, smtp_port: int, product: Product | None) -> dict[str, Any]:
    """Return what others need to reach the sandbox. ``connections`` are environment variables."""
    secret = sandbox.secret
    connections: dict[str, dict[str, Any]] = {
        "CRM": {"conn_type": "hubspot", "host": f"{sandbox.url}/hubspot", "password": secret("hubspot", "pat-na1-")},
        "SALESFORCE": {
            "conn_type": "salesforce", "host": f"{sandbox.url}/salesforce",
            "login": salesforce.credentials(sandbox)["client_id"],
            "password": salesforce.credentials(sandbox)["client_secret"],
        },
        "SUPPORT": {
            "conn_type": "zendesk", "host": f"{sandbox.url}/zendesk", "login": EMAIL, "password": secret("zendesk"),
        },
        "WECOM": {"conn_type": "generic", "host": f"{sandbox.url}/wecom", "password": secret("wecom")},
        "TEAMS": {
            "conn_type": "generic", "host": f"{sandbox.url}/teams",
            "password": f"{FLOW}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={secret('teams')}",
        },
        **{
            name.upper(): {
                "conn_type": "generic", "host": f"{sandbox.url}/{name}", "password": secret(name),
                "extra": {"signing_secret": secret("signing", "SEC")},
            }
            for name in ("feishu", "dingtalk")
        },
        "SLACK": {"conn_type": "slack", "host": f"{sandbox.url}/slack/api", "password": secret("slack", "xoxb-")},
        "SMTP": {
            "conn_type": "smtp", "host": HOST, "port": smtp_port, "login": "perennial", "password": secret("smtp"),
            "extra": {"from_email": "perennial@vendor.example", "starttls": False},
        },
    }  # fmt: skip
    if product:
        url = product.reader_url
        connections["PRODUCT_DB"] = {
            "conn_type": "postgres", "host": url.host, "port": url.port, "schema": url.database,
            "login": url.username, "password": url.password,
        }  # fmt: skip
    world = sandbox.world
    return {
        "pid": os.getpid(),
        "url": sandbox.url,
        "inbox": f"{sandbox.url}/inbox",
        "smtp_port": smtp_port,
        "world": {
            "seed": world.seed,
            "anchor": str(world.span.anchor),
            "customers": len(world.customers),
            "custom": world.style,
        },
        "webhook": f"{sandbox.url}/slack/services/T0SANDBOX/B0SANDBOX/{sandbox.secret('webhook')}",
        "hubspot_oauth": credentials(sandbox),
        "salesforce_oauth": salesforce.credentials(sandbox),
        "connections": {f"AIRFLOW_CONN_{name}": json.dumps(given) for name, given in connections.items()},
    }


def _announce(ready: Path, note: dict[str, Any]) -> None:
    temporary = ready.with_suffix(".tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(note, file, indent=2)
    temporary.replace(ready)
    world = note["world"]
    print(
        f"sandbox ready at {note['url']} (inbox {note['inbox']}, SMTP port {note['smtp_port']}; "
        f"seed {world['seed']}, {world['anchor']})",
        flush=True,
    )


async def _when_started(server: uvicorn.Server, announce: Any) -> None:
    """Announce the server once it handles signals: an earlier signal would be lost."""
    while not server.started:
        await asyncio.sleep(0.01)
    announce()


async def _run(
    gateway: Gateway, web: socket.socket, mail: socket.socket, sandbox: Sandbox, product: Product | None, announce: Any
) -> None:
    config = uvicorn.Config(
        gateway, log_level="error", access_log=False, lifespan="off", proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=2, timeout_keep_alive=30,
    )  # fmt: skip
    # uvicorn stops at the first signal and raises it again afterwards: by then a handler must ignore it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    loop = asyncio.get_running_loop()
    sink = Sink(sandbox, gateway.faults)
    mail_server = await loop.create_server(sink.protocol, sock=mail)
    following = asyncio.create_task(product.run()) if product else None
    server = uvicorn.Server(config)
    announcing = asyncio.create_task(_when_started(server, announce))
    try:
        await server.serve(sockets=[web])
    finally:
        announcing.cancel()
        mail_server.close()
        if following:
            following.cancel()
