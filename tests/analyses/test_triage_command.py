"""Triage by command, from what the desk sends to the page, with the logins that the tasks have."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from include.cli.main import app
from include.config.viewers import Viewer
from include.models import build
from include.pages import analyses
from tests.fixtures import small_world as world


def rows(*arguments: str) -> list[dict[str, object]]:
    found = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return list(json.loads(found.stdout))


def test_tickets_of_the_desk_are_labelled_corrected_and_listed(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-11T12:00:00+00:00")
    world.load(
        "ticket",
        world.ticket("901", "o1", subject="Export", requester_id="u1"),
        world.ticket("902", "o1", subject="ok", requester_id="u1"),
    )
    comment = {"organization_id": "o1", "event_type": "comment", "happened_at": world._at(2026, 5, 20)}
    world.load(
        "ticket_event",
        world.record("e1", ticket_id="901", actor_id="u1", is_public=True, body="It fails with error 500", **comment),
        world.record("e2", ticket_id="902", actor_id="u1", is_public=False, body="an error, internally", **comment),
    )
    assert isinstance(build.run("work"), build.Finished)
    (bug,) = rows("analysis", "triage", "bugs", "--keep")
    assert (bug["about"], bug["n_tickets"], bug["example"]) == (
        "import and export",
        1,
        "Export It fails with error 500",
    )
    assert "support:902" in {row["ticket_key"] for row in rows("triage", "unknown")}
    assert CliRunner().invoke(app, ["triage", "correct", "support:902", "request"]).exit_code == 0
    labels = {row["label"]: row["n_tickets"] for row in rows("analysis", "triage")}
    assert labels["bug"] == labels["request"] == 1
    shown = analyses.read(Viewer(role="head"))
    assert shown.bugs and len(shown.mix) == len(labels)
    for viewer in (Viewer(role="csm", owner="crm:7"), Viewer(role="operator")):
        assert analyses.read(viewer).bugs is None
