"""The demo's summary: loaded data, the gate's verdicts, business figures, and sent messages."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from include.gate import verdicts
from include.metrics import summary
from include.pages import status as report
from include.sandbox.demo.chain import FailedRun
from include.sandbox.demo.progress import Progress
from include.sandbox.demo.stack import Stack
from include.warehouse.engine import engine

_BATCHES = sa.text("""
    select source, entity, sum(n_rows) as landed, sum(n_merged) as merged, sum(n_quarantined) as bad,
           count(*) filter (where state = 'merged') as passed, count(*) filter (where state = 'held') as held
    from meta.batch where n_rows > 0 group by source, entity order by min(batch_id)""")
_SENDING = {
    "slack": "Slack messages",
    "email": "e-mails",
    "crm_task": "CRM tasks",
    "crm_field": "accounts kept up to date",
}


def show(stack: Stack, runs: list[dict[str, Any]], progress: Progress) -> list[str]:
    """Print the summary.

    Returns:
        Delivery problems, one sentence each; nothing if everything was delivered.
    """
    console = progress.console
    outbox = Counter({(row["channel"], row["state"]): row["n"] for row in report.status()["outbox"]})
    console.print()
    _data(console)
    _business(console)
    _sent(console, outbox)
    _times(console, runs, progress)
    return _undelivered(stack, outbox)


def addresses(stack: Stack, console: Console) -> None:
    """Print the addresses of UI and inbox, the logins, and how to run commands against the demo."""
    console.print(
        f"\n[bold]Airflow[/]  {stack.ui}  user admin, password {stack.state.password}", highlight=False, soft_wrap=True
    )
    passwords = json.loads((stack.home / "airflow" / "passwords.json").read_text())
    second = f"         to approve what admin may not: user colleague, password {passwords['colleague']}"
    console.print(second, highlight=False, soft_wrap=True)
    console.print(f"[bold]Inbox[/]    {stack.sandbox['inbox']}  (the mails and Slack messages)", soft_wrap=True)
    console.print("[bold]Commands[/] run them in another terminal, such as ./perennial status", soft_wrap=True)


def problems(console: Console, failed: list[FailedRun], wrong: list[str]) -> bool:
    """Print the failed runs, each with its log, and other problems.

    Returns:
        Whether there were none, except for runs that an earlier stop had interrupted.
    """
    old = [one for one in failed if one.is_old]
    failed = [one for one in failed if not one.is_old]
    if old:
        names = ", ".join(sorted({one.dag for one in old}))
        text = f"Not counted: {len(old)} failed runs of {names}, interrupted by an earlier stop."
        console.print(f"[dim]{text}[/]", highlight=False, soft_wrap=True)
    for one in failed:
        where = f"{one.dag}, task {one.task}" if one.task else one.dag
        text = f"[red]Failed[/]   {where} (run {one.run}); its log: {escape(str(one.log))}"
        console.print(text, highlight=False, soft_wrap=True)
    for text in wrong:
        console.print(f"[red]Problem[/]  {escape(text)}", highlight=False, soft_wrap=True)
    return not failed and not wrong


def _data(console: Console) -> None:
    console.print("[bold]Rows read[/]")
    table = Table("Source", "Entity", box=None)
    for name in ("read", "merged", "quarantined", "batches", "held"):
        table.add_column(name, justify="right")
    with engine("reader").connect() as connection:
        for row in connection.execute(_BATCHES):
            counts = (row.landed, row.merged, row.bad, row.passed, row.held)
            table.add_row(row.source, row.entity, *(f"{count:,}" for count in counts))
    console.print(table)
    for verdict in verdicts.verdicts():
        if not verdict.entity:
            why = f": {verdict.reason}" if verdict.reason else ""
            console.print(f"  {verdict.source} is [bold]{verdict.state}[/]{why}", highlight=False)


def _business(console: Console) -> None:
    seen = summary.summarize(120)
    if seen is None:
        console.print("\nNothing is built yet.")
        return
    console.print(f"\n[bold]The business on {seen.as_of}[/]", highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for figure in seen.figures:
        period = f"{figure.start} to {figure.as_of}" if figure.start != figure.as_of else ""
        table.add_row(f"  {figure.label}", figure.shown(seen.currency), period)
    due = seen.renewals_due
    if due is None:
        table.add_row("  Renewals due", "not available", "")
    else:
        table.add_row(f"  Renewals due in {due.days} days", f"{due.n_due:,}", f"{due.target_arr:,.0f} {seen.currency}")
        table.add_row("    of which not settled", f"{due.n_open:,}", f"{due.open_arr:,.0f} {seen.currency}")
    console.print(table)


def _sent(console: Console, outbox: Counter[tuple[str, str]]) -> None:
    console.print("\n[bold]Sent[/]")
    for channel, name in _SENDING.items():
        others = [f"{n:,} {state}" for (one, state), n in sorted(outbox.items()) if one == channel and state != "sent"]
        more = f" ({', '.join(others)})" if others else ""
        console.print(f"  {outbox[channel, 'sent']:>6,} {name}{more}", highlight=False)


def _times(console: Console, runs: list[dict[str, Any]], progress: Progress) -> None:
    parts = [f"{name.split(':')[0]} {seconds:.0f} s" for name, seconds in progress.seconds.items()]
    console.print(f"\n[bold]Time[/]     {progress.total:.0f} s: {', '.join(parts)}", highlight=False, soft_wrap=True)
    states = Counter(run["state"] for run in runs)
    shown = ", ".join(f"{n} {state}" for state, n in states.most_common())
    console.print(f"[bold]Runs[/]     {len(runs)} DAG runs: {shown}", highlight=False)


def _undelivered(stack: Stack, outbox: Counter[tuple[str, str]]) -> list[str]:
    """Compare the outbox with what the sandbox received."""
    wrong = [f"{n} {_SENDING[one]} {state}" for (one, state), n in outbox.items() if state in ("failed", "uncertain")]
    arrived = stack.sandbox_answer("GET", "/inbox.json")
    for channel, place in (("email", "mails"), ("slack", "messages")):
        sent, there = outbox[channel, "sent"], len(arrived[place])
        if not sent:
            wrong.append(f"no {_SENDING[channel]} sent")
        elif there < sent:
            wrong.append(f"{sent} {_SENDING[channel]} sent, but only {there} arrived")
    if not outbox["crm_task", "sent"]:
        wrong.append("no CRM tasks created")
    return wrong
