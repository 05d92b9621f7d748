"""The pages *Perennial*, *Data quality*, *Why not?* and *Health* inside Airflow's UI.

They only read, name no person, and show themselves only to those who may see the DAGs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import jinja2
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from include.orchestration.dag_ids import PREFIX as DAG_PREFIX
from include.orchestration.dag_ids import dag_id

PREFIX = "/perennial"
BASE = conf.get("api", "base_url", fallback="").rstrip("/")
# Whoever may see this DAG may see what it works on. Named here, since else the caller's query would name it.
may_see = requires_access_dag("GET", param_dag_id=dag_id("build_kpis"))
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# No pages of documentation: they would be open to everyone.
app = FastAPI(title="Perennial", docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/", response_class=HTMLResponse, dependencies=[Depends(may_see)])
def page() -> HTMLResponse:
    """Show how everything stands."""
    from include.pages import overview

    return _answer("perennial.html", overview.read)


@app.get("/quality/", response_class=HTMLResponse, dependencies=[Depends(may_see)])
def quality_page() -> HTMLResponse:
    """Show what the rules on data have found over time."""
    from include.pages import data_quality

    return _answer("quality.html", data_quality.read)


@app.get("/why/", response_class=HTMLResponse, dependencies=[Depends(may_see)])
def why_page(account: str = "", day: str = "", signal: str = "") -> HTMLResponse:
    """Show why something did or did not open for an account."""
    from include.pages import explanation

    return _answer("why.html", lambda: explanation.read(account, day, signal), forms="'self'")


@app.get("/health/", response_class=HTMLResponse, dependencies=[Depends(may_see)])
def health_page(account: str = "", day: str = "", since: str = "") -> HTMLResponse:
    """Show the health of all accounts, or of one with its explanation."""
    from include.pages import health

    return _answer("health.html", lambda: health.read(account, day, since), forms="'self'")


def _answer(template: str, read: Callable[[], Any], forms: str = "'none'") -> HTMLResponse:
    from sqlalchemy.exc import SQLAlchemyError

    from include.common.clock import now
    from include.common.errors import PerennialError
    from include.warehouse.engine import readable

    problem: PerennialError | None = None
    seen: Any = None
    try:
        seen = read()
    except SQLAlchemyError as error:
        problem = readable(error)
    except PerennialError as error:
        problem = error
    nonce = token_urlsafe(16)
    text = _templates.get_template(template).render(
        seen=seen, problem=problem, now=now(), nonce=nonce, base=BASE, prefix=DAG_PREFIX
    )
    return HTMLResponse(
        text,
        status_code=503 if problem else 200,
        headers={
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
                f" base-uri 'none'; form-action {forms}; frame-ancestors 'self'"
            ),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )


class PerennialPlugin(AirflowPlugin):
    """Tells Airflow of the page."""

    name = "perennial"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Perennial"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Perennial",
            "href": f"{BASE}{PREFIX}/",
            "url_route": "perennial",
            "destination": "nav",
        },
        {
            "name": "Data quality",
            "href": f"{BASE}{PREFIX}/quality/",
            "url_route": "perennial-quality",
            "destination": "nav",
        },
        {
            "name": "Why not?",
            "href": f"{BASE}{PREFIX}/why/",
            "url_route": "perennial-why",
            "destination": "nav",
        },
        {
            "name": "Health",
            "href": f"{BASE}{PREFIX}/health/",
            "url_route": "perennial-health",
            "destination": "nav",
        },
    ]
