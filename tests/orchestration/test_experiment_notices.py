"""The head hears of a new verdict on a playbook or touch once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.common.errors import ConfigError
from include.decide.playbooks.load import load
from include.decide.touches.load import load as load_touches
from include.experiments import overview
from include.experiments.overview import Entry
from include.experiments.reading import read_out
from include.orchestration import experiment_notices
from tests.experiments.test_reading import DAY, DESIGN, ENDED, counts


@pytest.mark.parametrize(
    ("design", "before", "n"),
    [(ENDED, None, 1), (ENDED, "open", 1), (ENDED, "works", 0), (replace(DESIGN, ends_on=None), "open", 0)],
)
def test_only_a_new_verdict_is_reported(design, before, n, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    playbook = load()["expansion"].file
    figures = counts((1530, 1800), (450, 600)) if design is ENDED else counts((60, 70), (20, 25))
    reading = read_out(design, figures, DAY)
    monkeypatch.setattr(overview, "keep", lambda: {"expansion": (Entry(playbook, reading), reading, before)})
    monkeypatch.setattr(experiment_notices.notices, "notify", lambda person, write: sent.append(write()))
    assert experiment_notices.judge() == {"expansion": reading.verdict}
    assert len(sent) == n
    if sent:
        assert "it works" in sent[0].subject and sent[0].evidence


def test_verdict_on_a_touch_names_a_touch_and_no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    reading = read_out(ENDED, counts((1530, 1800), (450, 600)), DAY)
    entries = [Entry(found.file, reading) for found in (load()["expansion"], load_touches()["small_asleep"])]
    monkeypatch.setattr(overview, "keep", lambda: {entry.rule.name: (entry, reading, None) for entry in entries})
    monkeypatch.setattr(experiment_notices.notices, "notify", lambda person, write: sent.append(write()))
    experiment_notices.judge()
    assert [one.subject.split()[0] for one in sent] == ["Playbook", "Touch"]
    assert [len(one.evidence) for one in sent] == [len(sent[1].evidence) + 1, len(sent[1].evidence)]
    with pytest.raises(ConfigError, match="touch"):
        overview.of("none")
