"""The sandbox vendors' command: ``python -m include.sandbox serve --home DIR``."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date
from pathlib import Path

from include.common.errors import PerennialError
from include.sandbox.server import Options, serve
from include.sandbox.world.build import PORTAL_STYLES


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m include.sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="serve")
    command = commands.add_parser("serve", help="serve HubSpot, Zendesk, Slack, a mail server and a product database")
    command.add_argument("--home", type=Path, required=True, help="folder for its state")
    command.add_argument("--port", type=int, default=0, help="HTTP port; 0 takes a free one and keeps it")
    command.add_argument("--smtp-port", type=int, default=0, help="port of the mail server; 0 as for --port")
    # From the environment, because others can read a command line and the URL contains a password.
    product_url = os.environ.get("PERENNIAL_SANDBOX_PRODUCT_URL", "")
    command.add_argument(
        "--product-url", default=product_url, help="existing PostgreSQL database to fill; empty for none"
    )
    command.add_argument("--seed", type=int, help="seed of the world (default 7)")
    command.add_argument(
        "--anchor", type=date.fromisoformat, help="today in the world when it is created (default: today)"
    )
    command.add_argument("--customers", type=int, help="customers signed by then (default 240)")
    command.add_argument(
        "--custom", dest="style", choices=PORTAL_STYLES, help="how the portal records contracts (default ideal)"
    )
    given = parser.parse_args(arguments)
    try:
        serve(Options(**vars(given)))
    except PerennialError as error:
        print(f"error: {error.message}", *([f"  {error.cure}"] if error.cure else []), sep="\n", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
