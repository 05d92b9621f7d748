"""From the vendors' systems to a CSM's inbox, by the functions that the DAGs call."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from include.cli import build
from include.common.errors import PerennialError
from include.decide.decide import decide
from include.deliver import deliver, holds
from include.ingest import pipeline
from include.outbox import store as outbox
from include.warehouse.engine import engine
from tests.fixtures.decisions import overlay  # noqa: F401
from tests.fixtures.receivers import skip_retry_waits
from tests.fixtures.sandbox import SandboxProcess


def test_alerts_are_sent_while_the_support_desk_is_red(
    raw: str,
    sandbox: SandboxProcess,
    overlay: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    skip_retry_waits(monkeypatch)
    sandbox.control("faults", vendor="zendesk", kind="status", status=401)
    with pytest.raises(PerennialError):
        pipeline.run("support")
    assert [pipeline.run(source).state for source in ("crm", "product_db")] == ["green", "green"]
    list(build.run("", "", ""))
    decision = decide("first")
    assert decision.n_renewals > 5 and decision.n_planned >= 4
    assert decision.gate["support"]["reasons"]  # type: ignore[index]
    holds.release("email", "a new store", "test")
    delivered = deliver.deliver()
    inbox = sandbox.inbox()
    with engine("reader").connect() as connection:
        planned = outbox.read(connection, "true")
    # The weekly list of accounts without a manager goes to a queue unknown to this Slack.
    lists, rows = [row for row in planned if row.rule == "orphans"], [row for row in planned if row.rule != "orphans"]
    assert {(row.channel, row.state) for row in lists} == {("slack", "failed"), ("email", "sent")}
    assert delivered.n_sent == decision.n_planned - 1
    assert {row.state for row in rows} == {"sent"}
    channels = Counter(row.channel for row in rows)
    assert (len(inbox["messages"]), len(inbox["mails"])) == (channels["slack"], channels["email"] + 1)
    assert channels["slack"] == channels["email"] > 0
    for row in rows:
        assert "support" not in row.reads
        if row.channel == "slack":
            texts = [item["text"] for item in row.body["evidence"]]
            assert "Tickets not shown: the support desk has not been loaded." in texts
            # Some customers have no matched product account.
            assert any(text.startswith(("Usage in the last 28 days", "No usage recorded")) for text in texts)
    shown = [item["text"] for row in rows if row.channel == "slack" for item in row.body["evidence"]]
    assert any(text.startswith("Usage in the last 28 days") for text in shown)
    assert decide("second").n_planned == 0
    assert deliver.deliver().channels == {}
    # The CRM breaks later that day: sent deliveries stay, and nothing new is sent.
    sandbox.control("faults", vendor="hubspot", kind="status", status=401)
    with pytest.raises(PerennialError):
        pipeline.run("crm")
    red = decide("third")
    assert (red.n_planned, red.n_closed) == (0, 0)
    assert "crm has been red" in str(red.gate["crm"])
