"""Templates must not promise prices or commitments."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.common.errors import ConfigError
from include.decide.rules import forbidden_phrases
from include.decide.signals.load import load as load_signals


@pytest.mark.parametrize(
    "text",
    ["Offer a 10% off deal", "offer 20 % OFF", "We  guarantee\nthat", "a Discount.", "three free months", "kostenlos"],
)
def test_promise_in_a_template_is_found(text: str) -> None:
    with pytest.raises(ValueError, match="promise"):
        forbidden_phrases.check(text)


@pytest.mark.parametrize(
    "text", ["{{ discount_depth }}", "{% if guaranteed %}x{% endif %}", "counted discounting", "Call."]
)
def test_placeholders_and_parts_of_words_are_not_promises(text: str) -> None:
    forbidden_phrases.check(text)


def test_signal_with_a_promise_is_rejected_with_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Path("include/defaults/config/signals/usage_down.yaml").read_text().splitlines()
    at = next(number for number, line in enumerate(shipped) if line.startswith("subject:"))
    shipped[at] = 'subject: "{{ account_name }}: offer a refund"'
    (tmp_path / "config" / "signals").mkdir(parents=True)
    (tmp_path / "config" / "signals" / "usage_down.yaml").write_text("\n".join(shipped))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=rf"usage_down.yaml:{at + 1}.*`refund`"):
        load_signals()
