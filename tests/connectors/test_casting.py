from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.connectors.casting import caster

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", "", None),
        ("text", 4503599627370497, "4503599627370497"),
        ("text", 12.0, "12"),
        ("text", True, "true"),
        ("text", ["a", "b"], "a,b"),
        ("text", [], None),
        ("bigint", "43", 43),
        ("bigint", "43.0", 43),
        ("bigint", 7, 7),
        ("bigint", " ", None),
        ("bigint", "9223372036854775807", 2**63 - 1),
        ("numeric", "1000.50", Decimal("1000.50")),
        ("numeric", "-1e3", Decimal("-1000")),
        ("numeric", "", None),
        ("double precision", "0.5", 0.5),
        ("double precision", 3, 3.0),
        ("boolean", "false", False),
        ("boolean", "1", True),
        ("boolean", "", None),
        ("timestamptz", "2024-11-20T14:08:52.191Z", datetime(2024, 11, 20, 14, 8, 52, 191000, tzinfo=UTC)),
        ("timestamptz", "2024-11-12T00:00:00Z", datetime(2024, 11, 12, tzinfo=UTC)),
        ("timestamptz", "2024-07-24T14:05:58.000+0000", datetime(2024, 7, 24, 14, 5, 58, tzinfo=UTC)),
        ("timestamptz", "1732111731855", datetime(2024, 11, 20, 14, 8, 51, 855000, tzinfo=UTC)),
        ("timestamptz", "", None),
        ("timestamptz", datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "1709164800000", date(2024, 2, 29)),
        ("date", "2024-02-29T00:00:00Z", date(2024, 2, 29)),
        ("date", date(2024, 2, 29), date(2024, 2, 29)),
        ("date", None, None),
        ("jsonb", {"a": 1}, {"a": 1}),
    ],
)
def test_fitting_values_are_cast(kind: str, value: object, expected: object) -> None:
    cast = caster(kind)(value)  # type: ignore[arg-type]
    assert cast == expected
    assert type(cast) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", "1,000"),
        ("bigint", "1.5"),
        ("bigint", "9223372036854775808"),
        ("bigint", "1e999999999"),
        ("bigint", True),
        ("numeric", "1,000"),
        ("numeric", "NaN"),
        ("numeric", "Infinity"),
        ("numeric", "1_000"),
        ("numeric", "12 EUR"),
        ("double precision", "inf"),
        ("double precision", float("nan")),
        ("boolean", "perhaps"),
        ("timestamptz", "yesterday"),
        ("timestamptz", "0000-00-00 00:00:00"),
        ("timestamptz", "999999999999999"),
        ("timestamptz", 1.5),
        ("date", "2024-02-30"),
        ("date", "20240229"),
        ("date", "0000-00-00"),
    ],
)
def test_values_that_do_not_fit_are_rejected_not_guessed(kind: str, value: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        caster(kind)(value)  # type: ignore[arg-type]


def test_timestamp_becomes_its_day_in_the_reporting_zone() -> None:
    cast = caster("date", BERLIN)
    assert cast("2024-03-31T22:30:00Z") == date(2024, 4, 1)
    assert cast("2024-03-31T00:00:00Z") == date(2024, 3, 31)
    assert caster("date", ZoneInfo("America/New_York"))("2024-03-31T00:00:00Z") == date(2024, 3, 31)


@given(st.datetimes(min_value=datetime(1970, 4, 27), max_value=datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_timestamp_formats_are_equivalent(naive: datetime, offset: int) -> None:
    moment = naive.replace(microsecond=naive.microsecond // 1000 * 1000, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(minutes=offset)))
    cast = caster("timestamptz")
    milliseconds = str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
    assert cast(moment.isoformat()) == cast(elsewhere.isoformat()) == cast(milliseconds) == moment


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_amounts_are_exact(amount: Decimal) -> None:
    assert caster("numeric")(str(amount)) == amount
