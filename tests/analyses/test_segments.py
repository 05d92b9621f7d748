"""Segments of small accounts: nine fields, and accounts whose use is not known."""

from __future__ import annotations

import pytest

from include import config
from include.analyses import segments
from include.cli.analyses import list_segments
from include.common.errors import ConfigError
from include.config.segments import Segments


@pytest.mark.parametrize(
    ("scores", "segment"),
    [
        ((5, 5, 5), "champions"),
        ((5, 4, 5), "champions"),
        ((4, 4, 3), "promising"),
        ((3, 3, 3), "needs_attention"),
        ((2, 2, 3), "at_risk"),
        ((1, 1, 1), "asleep"),
        ((1, 4, None), "cannot_lose"),
        ((5, 2, None), "new_or_light"),
        ((None, None, 5), ""),
    ],
)
def test_account_is_in_the_field_of_its_scores(scores, segment) -> None:
    assert config.load().segments.of(*scores) == segment


def test_every_field_needs_a_name() -> None:
    row = {"high": "a", "mid": "b", "low": "c"}
    with pytest.raises(ValueError, match="high, mid and low"):
        Segments.model_validate({"fields": {"high": row, "mid": row, "low": {"high": "a"}}})


def test_unknown_segment_is_an_error_that_names_the_known_ones() -> None:
    names = config.load().segments.names
    assert len(names) == 9 and names[0] == "champions"
    with pytest.raises(ConfigError) as error:
        list_segments("championz")
    assert error.value.cure == f"known: {', '.join(names)}"


def test_segments_are_counted_with_their_arr() -> None:
    rows = [{"segment": name, "arr": arr} for name, arr in (("asleep", 100), ("asleep", None), ("champions", 500))]
    assert segments.groups(rows) == [segments.Group("asleep", 2, 100.0), segments.Group("champions", 1, 500.0)]
