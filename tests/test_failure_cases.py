"""Each known failure case of connectors and senders has a test with its number."""

from __future__ import annotations

import re

from include.common import paths

# Of reading HubSpot (1-18), writing to it (19-21), Zendesk (22-37), Salesforce (38-48; 43-46 are of its Bulk API, which
# is not used, and are tested on what is), storing (49), databases (50, 51), state (52), Slack (53), e-mail (54).
CASES = range(1, 55)


def test_every_failure_case_has_a_test_with_its_number() -> None:
    named: set[int] = set()
    for path in (paths.ROOT / "tests").rglob("test_*.py"):
        for line in re.findall(r"^\s*def (test_\w+)|\(\"(case_\d\d)\"", path.read_text(encoding="utf-8"), re.MULTILINE):
            found = re.findall(r"case_(\d\d(?:_and_\d\d)?)", " ".join(line))
            named |= {int(number) for each in found for number in re.findall(r"\d\d", each)}
    assert sorted(set(CASES) - named) == []
    assert named <= set(CASES)


def test_every_test_that_a_document_names_exists() -> None:
    texts = [
        path.read_text(encoding="utf-8") for path in (*paths.ROOT.glob("*.md"), *(paths.ROOT / "docs").rglob("*.md"))
    ]
    named = {name for text in texts for name in re.findall(r"`(tests/[\w./-]+|test_\w+\.py)`", text)}
    known = {path.name for path in (paths.ROOT / "tests").rglob("test_*.py")}
    assert [name for name in sorted(named - known) if not (paths.ROOT / name).exists()] == []
