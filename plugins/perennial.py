"""Perennial's pages inside Airflow's UI.

Only users who may see the DAGs can open them. ``viewers.yaml`` limits which accounts, amounts and people each login
sees, and which pulses, overrides, calls and discounts it may enter: nothing else can be changed here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer

from include.common.errors import ConfigError
from include.common.texts import N_, gettext
from include.config.viewers import Viewer
from include.orchestration.dag_ids import PREFIX as DAG_PREFIX
from include.orchestration.dag_ids import dag_id
from include.pages import rendering

PREFIX = "/perennial"
BASE = conf.get("api", "base_url", fallback="").rstrip("/")
# Path -> title of the page, in menu order.
PAGES = {
    "/today/": N_("Today"),
    "/account/": N_("Account"),
    "/renewals/": N_("Renewals"),
    "/health/": N_("Health"),
    "/team/": N_("Team load"),
    "/playbooks/": N_("Playbooks"),
    "/analyses/": N_("Analyses"),
    "/growth/": N_("Growth"),
    "/discounts/": N_("Discounts"),
    "/metrics/": N_("Metric tree"),
    "/reports/": N_("Reports"),
    "/": N_("Data health"),
    "/catalogue/": N_("Catalogue"),
    "/why/": N_("Why not?"),
    "/ledger/": N_("Ledger"),
}
# Whoever may see this DAG may see the pages. The id is fixed here; otherwise the caller's query could choose it.
may_see = requires_access_dag("GET", param_dag_id=dag_id("build_kpis"))
_templates = rendering.environment(Path(__file__).parent / "templates")
_accepted: ContextVar[str] = ContextVar("accepted", default="")


async def _note_languages(request: Request) -> None:
    """Note what the browser accepts. This must be async: only then do the routes' threads see it."""
    _accepted.set(request.headers.get("accept-language", ""))


# API docs are off: they would be open to everyone.
app = FastAPI(
    title="Perennial",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(may_see), Depends(_note_languages)],
)


FORM_SECONDS = 8 * 3600


@cache
def _forms() -> URLSafeTimedSerializer:
    # All API servers share this secret, so that each accepts the form of another. Other components load the plugin too,
    # without it.
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt="perennial-form")


@app.get("/", response_class=HTMLResponse)
def page(user: GetUserDep) -> HTMLResponse:
    """Show current data problems with their cures, and the state of the platform."""
    from include.pages import overview

    return _answer("/", "data.html", user, overview.read)


@app.get("/why/", response_class=HTMLResponse)
def why_page(user: GetUserDep, account: str = "", day: str = "", signal: str = "") -> HTMLResponse:
    """Show why a signal or playbook did or did not open for an account."""
    from include.pages import explanation

    return _answer("/why/", "why.html", user, lambda viewer: explanation.read(viewer, account, day, signal))


@app.get("/health/", response_class=HTMLResponse)
def health_page(user: GetUserDep, account: str = "", day: str = "", since: str = "") -> HTMLResponse:
    """Show the health of all accounts, or one account's score explained."""
    from include.pages import health

    return _answer("/health/", "health.html", user, lambda viewer: health.read(viewer, account, day, since))


@app.get("/today/", response_class=HTMLResponse)
def today_page(user: GetUserDep) -> HTMLResponse:
    """Show a CSM's priorities of the day."""
    from include.pages import today

    return _answer("/today/", "today.html", user, today.read)


@app.get("/account/", response_class=HTMLResponse)
def account_page(user: GetUserDep, account: str = "", done: str = "") -> HTMLResponse:
    """Show the full profile of one account."""
    from include.pages import account as accounts

    token = _forms().dumps(user.get_name())
    return _answer(
        "/account/", "account.html", user, lambda viewer: accounts.read(viewer, account), token=token, done=done
    )


@app.post("/account/")
def judge_account(
    request: Request,
    user: GetUserDep,
    account: Annotated[str, Form(max_length=200)],
    action: Annotated[str, Form()],
    token: Annotated[str, Form()],
    score: Annotated[str, Form(max_length=10)] = "",
    days: Annotated[int, Form()] = 30,
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Record a pulse, set an override, or end one."""
    from include.pages import entries

    def enter(viewer: Viewer, login: str) -> None:
        entries.act(viewer, login, account, action, score=score, days=days, reason=reason)

    return _record(request, user, token, "/account/", enter, {"account": account}, action)


def _record(
    request: Request,
    user: Any,
    token: str,
    path: str,
    enter: Callable[[Viewer, str], None],
    back: dict[str, str],
    done: str,
) -> Response:
    """Record a form's entry and show the page again, or say why it was not recorded."""
    login = user.get_name()
    page = f"{urlsplit(BASE).path}{PREFIX}{path}?{urlencode(back)}"
    refusal = _why_foreign(request, login, token)

    def read(viewer: Viewer) -> None:
        if refusal:
            raise ConfigError(refusal)
        enter(viewer, login)

    status, title = 403 if refusal else 400, N_("Not recorded")
    answer = _answer(path, "refused.html", user, read, refused=status, title=title, back=page)
    return answer if answer.status_code != 200 else RedirectResponse(f"{page}&{urlencode({'done': done})}", 303)


def _why_foreign(request: Request, login: str, token: str) -> str:
    """Return why a form was not made by these pages for this login; "" if it was."""
    sender = urlsplit(request.headers.get("origin", "")).netloc
    if not sender or sender not in (urlsplit(BASE).netloc, request.headers.get("host", "")):
        return gettext("This form was sent from another site.")
    try:
        is_own = _forms().loads(token, max_age=FORM_SECONDS) == login
    except BadSignature:
        is_own = False
    return "" if is_own else gettext("This form has expired or belongs to another login. Reload the page.")


@app.get("/brief/", response_class=HTMLResponse)
def brief_page(user: GetUserDep, account: str = "", renewal: str = "") -> HTMLResponse:
    """Show the brief of a renewal."""
    from include.pages import account as accounts

    return _answer("/brief/", "brief.html", user, lambda viewer: accounts.read_brief(viewer, account, renewal))


@app.get("/brief/pdf/")
def brief_pdf(user: GetUserDep, account: str = "", renewal: str = "") -> Response:
    """Return the brief of a renewal as PDF."""
    from include.pages import account as accounts

    return _pdf(user, "renewal-brief", lambda viewer: accounts.read_brief(viewer, account, renewal).html())


@app.get("/customer-report/", response_class=HTMLResponse)
def customer_report_page(user: GetUserDep, id: int = 0, done: str = "") -> HTMLResponse:
    """Show a customer's usage report, or the drafts that wait for the viewer."""
    from include.pages import customer_report

    token = _forms().dumps(user.get_name())
    path, template = "/customer-report/", "customer_report.html"
    return _answer(path, template, user, lambda viewer: customer_report.read(viewer, id), token=token, done=done)


@app.post("/customer-report/")
def approve_customer_report(
    request: Request,
    user: GetUserDep,
    id: Annotated[int, Form()],
    token: Annotated[str, Form()],
    next_steps: Annotated[str, Form(max_length=4000)] = "",  # browsers send each line break as two characters
) -> Response:
    """Approve a customer's usage report."""
    from include.pages import customer_report

    def enter(viewer: Viewer, login: str) -> None:
        customer_report.approve(viewer, login, id, next_steps)

    return _record(request, user, token, "/customer-report/", enter, {"id": str(id)}, "approve")


@app.get("/customer-report/pdf/")
def customer_report_pdf(user: GetUserDep, id: int = 0) -> Response:
    """Return a customer's usage report as PDF, as it was archived; a draft with a warning."""
    from include.pages import customer_report

    return _pdf(user, f"usage-report-{id}", lambda viewer: customer_report.html(viewer, id))


def _pdf(user: Any, name: str, read: Callable[[Viewer], str]) -> Response:
    """Return a page as PDF, or the reason why there is none: the viewer's rights, or a missing library."""
    from include.reports import pdf

    return _file(user, f"{name}.pdf", "application/pdf", "/account/", lambda viewer: pdf.of(read(viewer)))


def _file(user: Any, name: str, kind: str, path: str, read: Callable[[Viewer], str | bytes]) -> Response:
    """Return a file, or the reason why there is none."""
    made: list[str | bytes] = []
    title, back = N_("No file was made"), f"{BASE}{PREFIX}{path}"
    answer = _answer(path, "refused.html", user, lambda viewer: made.append(read(viewer)), title=title, back=back)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    headers |= {"X-Content-Type-Options": "nosniff"}
    return Response(made[0], media_type=kind, headers=headers) if made else answer


@app.get("/renewals/", response_class=HTMLResponse)
def renewals_page(user: GetUserDep, quarter: str = "", band: str = "", csm: str = "", done: str = "") -> HTMLResponse:
    """Show a quarter's expected renewals."""
    from include.pages import renewals

    return _answer(
        "/renewals/",
        "renewals.html",
        user,
        lambda viewer: renewals.read(viewer, quarter, band, csm),
        filters={"band": band, "csm": csm},
        token=_forms().dumps(user.get_name()),
        done=done,
    )


@app.post("/renewals/")
def call_quarter(
    request: Request,
    user: GetUserDep,
    quarter: Annotated[str, Form(max_length=10)],
    csm: Annotated[str, Form(max_length=200)],
    token: Annotated[str, Form()],
    amount: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Record the renewed ARR that a person expects of a CSM's quarter."""
    from include.pages import entries

    def enter(viewer: Viewer, login: str) -> None:
        entries.call(viewer, login, csm, quarter, amount)

    return _record(request, user, token, "/renewals/", enter, {"quarter": quarter}, "call")


def _add_plain(name: str) -> None:
    """Add a page without parameters: a module of ``include.pages`` with a template of its name."""

    def plain_page(user: GetUserDep) -> HTMLResponse:
        return _answer(f"/{name}/", f"{name}.html", user, import_module(f"include.pages.{name}").read)

    app.get(f"/{name}/", response_class=HTMLResponse)(plain_page)


for _name in ("analyses", "catalogue", "growth", "playbooks", "team"):
    _add_plain(_name)


@app.get("/touch/")
def touch_list(user: GetUserDep, name: str = "", day: str = "") -> Response:
    """Return a touch's list of a day, by default the newest, as CSV, limited to the viewer's accounts."""
    from include.common import clock
    from include.pages import touches

    def made(viewer: Viewer) -> str:
        # The mark tells Excel that the file is UTF-8: https://github.com/sqlpage/SQLPage/issues/528
        return "\ufeff" + touches.csv(viewer, name, clock.parse_day(day, "day") if day else None)

    return _file(user, "touch.csv", "text/csv; charset=utf-8", "/playbooks/", made)


@app.get("/discounts/", response_class=HTMLResponse)
def discounts_page(user: GetUserDep, renewal: str = "", done: str = "") -> HTMLResponse:
    """Show discounts: requests, answers, and what was given away."""
    from include.pages import discounts

    login = user.get_name()
    return _answer(
        "/discounts/", "discounts.html", user, lambda viewer: discounts.read(viewer, login),
        token=_forms().dumps(login), renewal=renewal, done=done,
    )  # fmt: skip


@app.post("/discounts/")
def record_discount(
    request: Request,
    user: GetUserDep,
    token: Annotated[str, Form()],
    action: Annotated[str, Form(max_length=10)],
    renewal: Annotated[str, Form(max_length=200)] = "",
    offer: Annotated[str, Form(max_length=20)] = "",
    months: Annotated[str, Form(max_length=3)] = "",
    trade: Annotated[str, Form(max_length=20)] = "",
    why: Annotated[str, Form(max_length=1000)] = "",
    number: Annotated[int, Form()] = 0,
    note: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Record a request for a discount, or the answer to one."""
    from include.pages import discounts, entries

    def enter(viewer: Viewer, login: str) -> None:
        if action == "ask":
            price, term = entries.parse_amount(offer), entries.parse_months(months)
            discounts.ask(viewer, login, renewal, price, term, (trade,), why)
        else:
            discounts.answer(viewer, login, number, action == "approve", note)

    return _record(request, user, token, "/discounts/", enter, {"renewal": renewal}, action)


@app.get("/metrics/", response_class=HTMLResponse)
def metrics_page(user: GetUserDep, metric: str = "", period: str = "", known: str = "") -> HTMLResponse:
    """Show the metric tree, or one metric down to its rows."""
    from include.pages import metric_tree

    return _answer("/metrics/", "metrics.html", user, lambda viewer: metric_tree.read(viewer, metric, period, known))


@app.get("/reports/", response_class=HTMLResponse)
def reports_page(user: GetUserDep, id: int = 0) -> HTMLResponse:
    """Show the archive of reports, or one report."""
    from include.pages import reports

    return _answer("/reports/", "reports.html", user, lambda viewer: reports.read(viewer, id))


@app.get("/ledger/", response_class=HTMLResponse)
def ledger_page(user: GetUserDep, person: str = "") -> HTMLResponse:
    """Show what people decided and approved."""
    from include.pages import ledger

    return _answer("/ledger/", "ledger.html", user, lambda viewer: ledger.read(viewer, person), person=person)


def _answer(
    path: str, template: str, user: Any, read: Callable[[Viewer], Any], refused: int = 404, **more: Any
) -> HTMLResponse:
    login, found = user.get_name(), _templates.get_template(template)
    context = {"base": BASE, "root": f"{BASE}{PREFIX}", "prefix": DAG_PREFIX, "pages": PAGES.items(), "here": path}
    made = rendering.page(found, login, _accepted.get(), read, refused, **context, **more)
    return HTMLResponse(made.text, status_code=made.status, headers=made.headers)


class PerennialPlugin(AirflowPlugin):
    """Registers the pages with Airflow."""

    name = "perennial"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Perennial"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": title,
            "href": f"{BASE}{PREFIX}{path}",
            "url_route": f"perennial-{path.strip('/') or 'data'}",
            "destination": "nav",
        }
        for path, title in PAGES.items()
    ]
