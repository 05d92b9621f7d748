"""The health score's worked examples, to the hundredth."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from include.common import texts
from include.common.errors import ConfigError
from include.config import files
from include.models import health
from include.scores import statistics
from include.scores.health import bands, change, sentences
from include.scores.health.score import Reading, Score, score

FIRST = {
    "use_vs_usual": Reading(1.02, 1),
    "active_seats": Reading(0.62, 1),
    "breadth": Reading(0.6, 1),
    "depth": Reading(0.3, 1),
    "urgent_age": Reading(0, 1),
    "ticket_pressure": Reading(1.2, 1),
    "ratings": Reading(0.9, 20),
    "touch": Reading(0.8, 1),
    "roles": Reading(0.75, 10),
    "key_contacts": Reading(1, 3),
    "nps": Reading(8, 60),
    "pulse": Reading(4, 30),
    "overdue": Reading(0, 1),
    "competitor": Reading(0, 1),
    "outcome": Reading(0.5, 40),
}
A_MONTH_LATER = FIRST | {
    "use_vs_usual": Reading(0.55, 1),
    "active_seats": Reading(0.44, 1),
    "urgent_age": Reading(6, 1),
    "touch": Reading(1.3, 1),
    "ratings": Reading(0.9, 50),
    "roles": Reading(0.75, 40),
    "nps": Reading(8, 90),
    "pulse": Reading(4, 60),
    "outcome": Reading(0.5, 70),
}
CHAMPION_LEFT = A_MONTH_LATER | {
    "key_contacts": Reading(0, 1),
    "roles": Reading(0.5, 2),
    "nps": Reading(),
    "pulse": Reading(),
    "ratings": Reading(),
}


@pytest.fixture(scope="module")
def standard() -> health.Profile:
    return health.load().profile("standard@1")


def _lines(before: Score, after: Score) -> dict[str, str]:
    return {line.id: str(line.change) for line in change.explain(before, after)}


def test_weights_add_up_to_100() -> None:
    assert {profile.key: profile.total_weight for profile in health.load().profiles} == {
        "onboarding@1": 100,
        "small@1": 100,
        "standard@1": 100,
    }


def test_a_conversation_is_not_called_the_last_contact() -> None:
    """Messages and pages give the CRM's last contact, which may be a mail that nobody answered."""
    measures = [each for profile in health.load().profiles for each in profile.measures if each.id == "touch"]
    shown = [f"{each.title} {each.evidence.replace('days_since_contact', '')}" for each in measures]
    assert len(shown) == 3 and not any("contact" in text for text in shown)


def test_score_and_its_points(standard: health.Profile) -> None:
    found = score(standard, FIRST)
    assert found.number == Decimal("83.62")
    assert [str(points) for points in found.points.values()] == [
        "13.44", "7.00", "4.80", "3.34", "6.00", "3.68", "4.33", "5.28", "6.00", "6.00", "4.00", "3.75", "6.00", "4.00",
        "6.00",
    ]  # fmt: skip
    assert sum(found.losses.values()) == Decimal("16.38")
    assert found.coverage == 1
    assert found.unknown_reason == ""


def test_score_a_month_later(standard: health.Profile) -> None:
    before, after = score(standard, FIRST), score(standard, A_MONTH_LATER)
    assert (after.number, round(after.coverage, 4)) == (Decimal("65.98"), 0.9744)
    assert round(after.parts["roles"].freshness, 4) == 0.8889
    assert round(after.parts["pulse"].freshness, 4) == 0.6667
    assert _lines(before, after) == {
        "use_vs_usual": "-8.65",
        "urgent_age": "-4.62",
        "active_seats": "-2.79",
        "touch": "-1.58",
        "roles": "0.00",
        "pulse": "0.00",
    }
    assert {line.kind for line in change.explain(before, after) if not line.change} == {"aged"}


def test_score_when_the_champion_leaves(standard: health.Profile) -> None:
    # "A month later" without its usage changes, as the successor of the first example.
    before, after = score(standard, A_MONTH_LATER), score(standard, CHAMPION_LEFT, ["nobody_left"])
    assert (after.number, after.computed, after.coverage) == (Decimal("54.26"), Decimal("50.00"), 0.85)
    assert _lines(before, after) == {
        "key_contacts": "-6.60",
        "roles": "-2.05",
        "ratings": "-1.45",
        "nps": "-1.08",
        "pulse": "-0.54",
        "ceiling": "-4.26",
    }


def test_notice_is_one_line_of_the_score(standard: health.Profile) -> None:
    before = score(standard, CHAMPION_LEFT, ["nobody_left"])
    after = score(standard, CHAMPION_LEFT, ["nobody_left", "notice_given"])
    assert after.computed == Decimal("10.00")
    assert _lines(before, after) == {"ceiling": "-40.00"}


def test_without_product_data_the_band_is_unknown(standard: health.Profile) -> None:
    missing = dict.fromkeys(("use_vs_usual", "active_seats", "breadth", "depth"), Reading())
    found = score(standard, FIRST | missing | {"outcome": Reading(is_left_out=True)})
    assert (found.number, round(found.coverage, 4)) == (Decimal("89.17"), 0.6111)
    assert found.unknown_reason == "little_data:usage"


@pytest.mark.parametrize("code", ["no_data", "paused", "little_data", "one_group", "little_data:usage"])
def test_reason_of_an_unknown_band_is_in_the_readers_language(code: str) -> None:
    english = sentences._why_unknown(code)
    for language in ("de", "zh_CN"):
        with texts.reading(language):
            assert sentences._why_unknown(code) not in (code, english) and not texts.is_incomplete()


def test_older_survey_answer_weighs_less(standard: health.Profile) -> None:
    found = score(standard, FIRST | {"nps": Reading(8, 180)})
    assert (found.number, found.coverage, found.parts["nps"].freshness) == (Decimal("83.71"), 0.975, 0.5)


def test_override_is_kept_next_to_the_computed_score(standard: health.Profile) -> None:
    plain = score(standard, A_MONTH_LATER)
    found = score(standard, A_MONTH_LATER, override=Decimal(72))
    assert (found.shown, found.computed) == (Decimal(72), Decimal("65.98"))
    assert _lines(plain, found) == {"override": "6.02"}


def test_bands_have_hysteresis_and_drop_at_once(standard: health.Profile) -> None:
    numbers = [
        74, 71, 69.5, 69.9, 70.2, 69, 68, 67, 66, 69, 72, 74, 73.5, 74, 63, 58, 44.9, 44, 39.9, 41, 47, 48.2, 49,
        50, 52,
    ]  # fmt: skip
    found = bands.follow(standard.bands, [(number, False) for number in numbers])
    assert "".join(str(band)[0] for band in found) == "gggggggyyyyyygyyyyrrrrryy"


def test_bands_at_their_edges(standard: health.Profile) -> None:
    assert [bands.plain(standard.bands, number) for number in (44.99, 45, 69.99, 70)] == [
        "red", "yellow", "yellow", "green",
    ]  # fmt: skip
    # A ceiling applies at once, and after an unknown day the count restarts.
    assert bands.follow(standard.bands, [(80, False), (69, True)])[-1] == "yellow"
    days = [(80, False), (69, False), (69, False), (None, False), (69, False), (69, False)]
    assert bands.follow(standard.bands, days)[-1] == "green"


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [(96, 112, (0.8571, 0.7805, 0.9101)), (41, 60, (0.6833, 0.5577, 0.7869)), (9, 24, (0.3750, 0.2116, 0.5729))],
)
def test_wilson_interval(k: int, n: int, expected: tuple[float, float, float]) -> None:
    assert tuple(round(number, 4) for number in statistics.wilson(k, n)) == expected


def test_auc_of_the_score_for_lost_accounts() -> None:
    scores = [88, 84, 81, 79, 76, 71, 66, 62, 58, 49, 41, 33]
    lost = [number in (79, 62, 49, 41) for number in scores]
    area = statistics.auc([-number for number in scores], lost)
    assert area is not None
    assert area == pytest.approx(0.71875)
    assert statistics.auc_error(area, 4, 8) == pytest.approx(0.1702, abs=5e-5)


def test_change_lines_add_up_and_unchanged_measures_have_none(standard: health.Profile) -> None:
    chance = random.Random(1)
    for _ in range(400):
        one = {each.id: _by_chance(chance, each) for each in standard.measures}
        two = {each: (_by_chance(chance, standard.measures[at]) if chance.random() < 0.6 else one[each])
               for at, each in enumerate(one)}  # fmt: skip
        before, after = score(standard, one), score(standard, two)
        if before.number is None or after.number is None:
            continue
        lines = change.explain(before, after)
        assert sum(line.change for line in lines) == after.number - before.number
        assert not {line.id for line in lines} & {each for each in one if one[each] == two[each]}


def test_group_never_weighs_more_than_its_limit(standard: health.Profile) -> None:
    missing = {each.id: Reading() for each in standard.measures if each.group in ("support", "sentiment", "outcome")}
    found = score(standard, FIRST | missing)
    # Of the remaining 65, usage has 35: it gets 50, relationship 30.8 -> 28.6 ... in proportion.
    ideal = {each.id: found.points[each.id] + found.losses[each.id] for each in standard.measures}
    by_group = {name: sum(ideal[m.id] for m in standard.measures if m.group == name) for name in standard.groups}
    assert by_group["usage"] == pytest.approx(Decimal(50), abs=Decimal("0.05"))
    assert float(by_group["relationship"] / by_group["commercial"]) == pytest.approx(2, abs=0.01)
    only_use = {each.id: Reading() for each in standard.measures if each.group != "usage"}
    assert score(replace_floor(standard), FIRST | only_use).unknown_reason == "one_group"


def replace_floor(profile: health.Profile) -> health.Profile:
    return profile.model_copy(update={"floor": 0.0})


def _by_chance(chance: random.Random, measure: health.Measure) -> Reading:
    if chance.random() < 0.15:
        return Reading(None, is_left_out=chance.random() < 0.3)
    low, high = measure.points[0][0], measure.points[-1][0]
    return replace(Reading(), value=chance.uniform(low, high), age=chance.randrange(measure.gone_days + 5))


@pytest.mark.parametrize(
    "evidence",
    [
        "{{ (user_days_28d / user_days_usual) | percent }}",
        "{% if user_days_usual is not none %}{{ user_days_28d / user_days_usual }}{% endif %}",
    ],
)
def test_text_that_fails_on_unknown_or_zero_is_rejected(
    evidence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sql" / "health"
    folder.mkdir(parents=True)
    shipped = (files.SHIPPED["sql"] / "health" / "standard.yaml").read_text()
    first = next(line for line in shipped.splitlines() if line.strip().startswith("evidence:"))
    (folder / "standard.yaml").write_text(shipped.replace(first, f"    evidence: '{evidence}'", 1))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=r"evidence: cannot be rendered when a value is unknown or zero"):
        health.load()
