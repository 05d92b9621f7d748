"""The reference page matches the rules."""

from __future__ import annotations

from include.common import paths
from include.contracts import reference


def test_reference_page_matches_the_code() -> None:
    written = (paths.ROOT / "docs" / "reference" / "contracts.md").read_text(encoding="utf-8")
    assert written == reference.text(), "run: python -m include.contracts.reference > docs/reference/contracts.md"
