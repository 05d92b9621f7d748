"""What signals and playbooks are called, for pages and lists."""

from __future__ import annotations

from include.decide.playbooks.load import load as load_playbooks
from include.decide.signals.load import load as load_signals


def titles() -> dict[str, str]:
    """Return the title of each signal and playbook by its name."""
    signals = {name: rule.file.title for name, rule in load_signals().items()}
    return signals | {name: rule.file.title for name, rule in load_playbooks().items()}
