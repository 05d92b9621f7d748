"""A rule file may carry its own texts in other languages; the catalogue has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.common import texts
from include.common.errors import ConfigError
from include.config import files
from include.config.own_texts import in_every_language, translated
from include.decide.playbooks.load import load as load_playbooks
from include.decide.playbooks.plan import Tasks
from include.decide.signals.load import load as load_signals

SIGNAL = Path("include/defaults/config/signals/no_touch.yaml").read_text()
PLAYBOOK = Path("include/defaults/playbooks/expansion.yaml").read_text()


def _overlay(folder: Path, name: str, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(folder))


def test_own_text_comes_before_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "languages:\n  de:\n    title: Funkstille\n    next_steps: [Rufen Sie an.]\n"
    _overlay(tmp_path, "config/signals/no_touch.yaml", SIGNAL + own, monkeypatch)
    signal = load_signals()["no_touch"].file
    with texts.reading("de"):
        assert (translated(signal.title), translated(signal.next_steps[0])) == ("Funkstille", "Rufen Sie an.")
        assert translated(signal.why) != signal.why
        assert not texts.is_incomplete()
    with texts.reading("zh_CN"):
        assert translated(signal.title) not in (signal.title, "Funkstille")
    assert translated(signal.title) == signal.title


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ("subject: Stille", "account_name"),
        ("subject: '{{ account_name }}: {{ days_since_contact }} Tage {% if %}'", "no_touch.yaml"),
        ("subject: '{{ account_name }}: {{ days_since_contact }} Tage, dazu ein Rabatt'", "Rabatt"),
        ("wishes: nothing", "not a text of this file"),
        ("evidence: [x]", "form of the English text"),
    ],
)
def test_own_text_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, problem: str
) -> None:
    _overlay(tmp_path, "config/signals/no_touch.yaml", f"{SIGNAL}languages:\n  de:\n    {own}\n", monkeypatch)
    with pytest.raises(ConfigError, match=problem):
        load_signals()


def test_language_without_texts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _overlay(tmp_path, "config/signals/no_touch.yaml", f"{SIGNAL}languages: {{xx: {{title: x}}}}\n", monkeypatch)
    with pytest.raises(ConfigError, match="en, de, zh_CN"):
        load_signals()


def test_steps_of_a_playbook_are_translated_by_their_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "languages:\n  de:\n    steps:\n      offer_seats: {body: Bitte anlegen.}\n"
    _overlay(tmp_path, "playbooks/expansion.yaml", PLAYBOOK + own, monkeypatch)
    step = next(one for one in load_playbooks()["expansion"].file.steps if one.id == "offer_seats")
    with texts.reading("de"):
        assert translated(step.body) == "Bitte anlegen."


def test_translation_of_the_overlay_is_checked_like_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    entry = 'msgid "Call the customer before they call you."\nmsgstr "Bieten Sie einen Rabatt an."\n'
    _overlay(tmp_path, "locales/de/ours.po", head + entry, monkeypatch)
    with files.checked_once(), pytest.raises(ConfigError, match=r"ticket_storm.yaml.*Rabatt"):
        load_signals()


def test_outcome_is_recognised_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    playbook = load_playbooks()["renewal_at_risk"].file
    names = {text for _, text in in_every_language("renewed with less")}
    assert len(names) == 3
    for entered in names:
        assert Tasks.known_outcome(playbook, f" {entered.upper()} ") == "renewed with less"
    assert Tasks.known_outcome(playbook, "something else") == ""
