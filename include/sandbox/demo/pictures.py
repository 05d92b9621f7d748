"""``python -m include.sandbox.demo.pictures``: take the documentation's pictures of pages and messages from a demo.

The demo must be running in another terminal (``make demo``). Needs Chromium.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from include.common import paths
from include.common.errors import PerennialError
from include.sandbox.demo import command, state
from include.sandbox.demo.overlay import CHINESE_READER
from include.sandbox.demo.processes import DemoError
from include.warehouse.engine import engine

FOLDER = paths.ROOT / "docs" / "images"
LANGUAGES = ("en", "zh_CN")
# Name of a picture -> address of the page.
PAGES = {
    "today": "/today/", "account": "/account/?account={account}", "brief": "/brief/?account={account}",
    "renewals": "/renewals/", "health": "/health/", "team-load": "/team/", "playbooks": "/playbooks/",
    "analyses": "/analyses/", "growth": "/growth/", "discounts": "/discounts/", "metric-tree": "/metrics/",
    "reports": "/reports/", "data-health": "/", "catalogue": "/catalogue/", "why-not": "/why/?account={account}",
    "ledger": "/ledger/",
}  # fmt: skip
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_HEIGHT, _WIDTH = 1000, 1280
_SECONDS = 120


@dataclass(frozen=True)
class Picture:
    """A picture to take.

    Args:
        file: Its path in ``docs/images``, without suffix.
        page: HTML, or the address of a page that needs no login.
    """

    file: str
    page: str


def main() -> int:
    """Take all pictures and return the exit status."""
    try:
        for picture in _pictures(_running_demo()):
            _take(picture)
            sys.stdout.write(f"{picture.file}\n")
    except PerennialError as error:
        sys.stderr.write(f"error: {error.message}\n  try: {error.cure}\n")
        return error.exit_status
    return 0


def _running_demo() -> Path:
    """Return the running demo's folder, and reach its database from this process."""
    home = paths.home()
    environment = command.environment_of_the_demo(home)
    if not environment:
        raise DemoError("no demo is running in this folder", cure="start one with `make demo` in another terminal")
    os.environ.update(environment)
    return home


def _pictures(home: Path) -> Iterator[Picture]:
    kept = state.load(home)
    ui = f"http://127.0.0.1:{kept.port}"
    login = {"username": "admin", "password": kept.password}
    token = _answer("POST", f"{ui}/auth/token", json=login).json()["access_token"]
    with engine("reader").connect() as connection:
        account = connection.execute(_ACCOUNT).scalar_one()
        messages = connection.execute(_MESSAGES, {"reader": CHINESE_READER}).all()
    for language in LANGUAGES:
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": language.replace("_", "-")}
        for name, path in PAGES.items():
            page = _answer("GET", f"{ui}/perennial{path.format(account=account)}", headers=headers).text
            yield Picture(f"{language}/{name}", page)
    sandbox = json.loads((home / "sandbox" / "sandbox.json").read_text())["url"]
    mails = {mail["subject"]: mail for mail in _answer("GET", f"{sandbox}/inbox.json").json()["mails"]}
    for row in messages:
        name = f"{row.channel}-{row.rule}".replace("_", "-")
        if row.channel == "email":
            mail = mails[row.subject]
            subject, sender, to = (escape(mail[key]) for key in ("subject", "from", "to"))
            head = f'<meta charset="utf-8"><h3>{subject}</h3><p>{sender} &rarr; {to}</p><hr>'
            yield Picture(f"{row.language}/{name}", head + mail["html"])
        else:
            yield Picture(f"{row.language}/{name}", f"{sandbox}/crm/tasks/{row.external_id}")


def _take(picture: Picture) -> None:
    target = FOLDER / f"{picture.file}.webp"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = picture.page
        if not page.startswith("http://"):
            file = Path(folder) / "page.html"
            file.write_text(page, encoding="utf-8")
            page = file.as_uri()
        # Chromium's own sandbox does not work for root.
        rights = ["--no-sandbox"] if os.geteuid() == 0 else []
        subprocess.run(
            [
                _browser(), "--headless=new", "--disable-gpu", "--hide-scrollbars", *rights,
                f"--user-data-dir={folder}/profile", f"--window-size={_WIDTH},{_HEIGHT}", f"--screenshot={target}",
                page,
            ],
            check=True, capture_output=True, timeout=_SECONDS,
        )  # fmt: skip


def _browser() -> str:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if not found:
        raise DemoError("Chromium is not installed", cure="install it, on Debian with `apt-get install chromium`")
    return found


def _answer(method: str, url: str, **options: Any) -> requests.Response:
    answer = requests.request(method, url, timeout=_SECONDS, **options)
    if not answer.ok:
        raise DemoError(f"{url} answered {answer.status_code}", cure="see the demo's logs")
    return answer


# The account in the worst state whose contract is worth most.
_ACCOUNT = sa.text("""
select account_key from marts.act_account
order by array_position(array['red', 'yellow', 'green'], health_band) nulls last, arr desc nulls last, account_key
limit 1
""")
# One message of each rule and language.
_MESSAGES = sa.text("""
select distinct on (channel, rule, language) channel, rule, subject, external_id, language
from (
    select *, case when recipient = :reader then 'zh_CN' else 'en' end as language
    from ops.outbox where state = 'sent' and channel in ('email', 'crm_task')
) as sent
order by channel, rule, language, outbox_id
""")

if __name__ == "__main__":
    sys.exit(main())
