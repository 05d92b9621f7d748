"""No test may fail because the machine is slow: no Hypothesis health check, short timeout or stopwatch."""

from __future__ import annotations

import re
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parent
FILES = sorted(path for path in TESTS.rglob("*.py") if path != Path(__file__))
SHORTEST_SECONDS = 600
# Patterns that fail on a slow machine. A line that needs a short time says so: `# short: why`.
PATTERNS = {
    "a short time-out": r"timeout\(?=?\(?\s*(\d+(?:\.\d+)?)\b",
    "a short wait": r"\.(?:wait|join|acquire)\((?:timeout=)?(\d+(?:\.\d+)?)\)",
    "a stop-watch": r"(?:time\.\w+\(\)|\bseconds) - (?:began|started|start) <|deadline = time\.",
    "a deadline of Hypothesis": r"deadline=\s*\d",
}


def short(text: str) -> list[str]:
    """Return the lines that may fail on a slow machine."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for name, pattern in PATTERNS.items():
            for match in re.finditer(pattern, line):
                is_long = match.groups() and float(match[1]) >= SHORTEST_SECONDS
                if not is_long and "# short: " not in line:
                    found.append(f"{number}: {name}: {line.strip()}")
    return found


def test_no_test_measures_wall_time():
    found = {str(path.relative_to(TESTS)): short(path.read_text()) for path in FILES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "requests.get(url, timeout=10)",
        "worker.join(timeout=30)",
        "event.wait(10)",
        "child.communicate(timeout=240)",
        "assert time.monotonic() - began < 30",
        "deadline = time.monotonic() + seconds",
        "@settings(deadline=200)",
    ],
)
def test_clock_dependent_patterns_are_detected(line):
    assert short(line)
    assert short("requests.get(url, timeout=600)") == []
    assert short("requests.get(url, timeout=2)  # short: the server never answers") == []


def test_hypothesis_has_no_deadline_and_never_calls_inputs_slow():
    settings = hypothesis.settings()
    assert settings.deadline is None
    assert hypothesis.HealthCheck.too_slow in settings.suppress_health_check


def test_no_test_reenables_the_health_check():
    """A test's own list replaces the profile's."""
    own = [
        f"{path.name}: {line.strip()}"
        for path in FILES
        for line in path.read_text().splitlines()
        if "settings(" in line and "suppress_health_check=" in line and "list(HealthCheck)" not in line
    ]
    assert own == []
