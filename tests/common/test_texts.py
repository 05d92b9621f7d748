"""Texts, numbers and dates in the reader's language; what is missing is English, and marked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from include.common import formatting, texts
from include.common.errors import ConfigError
from include.outbox.message import Message

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "locales" / "de").mkdir(parents=True)
    (tmp_path / "locales" / "fr").mkdir(parents=True)
    return tmp_path / "locales"


def test_without_a_reader_every_text_is_english() -> None:
    assert texts.language() == "en"
    assert texts.gettext("Customer") == "Customer"
    assert texts.ngettext("{n} day", "{n} days", 1) == "1 day"
    assert not texts.is_incomplete()


def test_text_number_and_plural_form_are_those_of_the_reader() -> None:
    with texts.reading("de"):
        assert texts.gettext("Customer") == "Kunde"
        assert texts.ngettext("{n} day", "{n} days", 1) == "1 Tag"
        assert texts.ngettext("{n} day", "{n} days", 1200) == "1.200 Tage"
    with texts.reading("zh_CN"):
        assert texts.gettext("Customer") == "客户"
        assert texts.ngettext("{n} day", "{n} days", 1) == "1 天"
    assert texts.gettext("Customer") == "Customer"


def test_missing_text_is_english_and_the_message_says_so() -> None:
    with texts.reading("de"):
        complete = Message(subject=texts.gettext("Customer"), summary="x")
        partly = Message(subject=texts.gettext("A text that nobody translated"), summary="x", footer="End.")
    assert (complete.language, complete.is_incomplete, complete.foot) == ("de", False, "")
    assert partly.subject == "A text that nobody translated"
    assert partly.is_incomplete
    assert partly.foot.startswith("End. ")
    assert Message.model_validate(partly.model_dump(mode="json")) == partly


def test_message_of_an_earlier_version_is_english() -> None:
    with texts.reading("zh_CN"):
        stored = {**Message(subject="s", summary="t").model_dump(mode="json")}
    del stored["language"], stored["is_incomplete"]
    assert Message.model_validate(stored).language == "en"


def test_own_folder_overrides_and_adds_languages(own: Path) -> None:
    (own / "de" / "mine.po").write_text(HEADER + 'msgid "Customer"\nmsgstr "Account"\n')
    (own / "fr" / "mine.po").write_text(HEADER + 'msgid "Customer"\nmsgstr "Client"\n')
    assert texts.languages() == ["en", "de", "fr", "zh_CN"]
    with texts.reading("de"):
        assert (texts.gettext("Customer"), texts.gettext("Contract")) == ("Account", "Vertrag")
    with texts.reading("fr"):
        assert texts.gettext("Customer") == "Client"
        assert not texts.is_incomplete()
        assert texts.gettext("Contract") == "Contract"
        assert texts.is_incomplete()


@pytest.mark.parametrize(
    ("translation", "problem"),
    [
        ("Für {leser}", r"mine\.po:5: .*leser"),
        ("Für {reader", "not a valid text"),
        ("Für alle", "placeholders"),
        ("Für {reader:d}", "placeholders"),
        ("Für {reader:>9999999999}", "placeholders"),
        ("Für {reader!x}", "placeholders"),
    ],
)
def test_own_translation_with_other_placeholders_is_refused(own: Path, translation: str, problem: str) -> None:
    (own / "de" / "mine.po").write_text(HEADER + f'msgid "For {{reader}}"\nmsgstr "{translation}"\n')
    with pytest.raises(ConfigError, match=problem), texts.reading("de"):
        pass


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: text/plain; charset=nonsense",
        "Language: xx_yy_zz",
        "POT-Creation-Date: yesterday",
        "Plural-Forms: nplurals=2; plural=(n > ;",
        "Plural-Forms: nplurals=2; plural=n/0;",
        "Plural-Forms: nplurals=2; plural=n;",
        "Plural-Forms: nplurals=999999999; plural=0;",
    ],
)
def test_own_file_with_a_wrong_header_is_refused(own: Path, header: str) -> None:
    plural = 'msgid "{n} day"\nmsgid_plural "{n} days"\nmsgstr[0] "{n} jour"\nmsgstr[1] "{n} jours"\n'
    (own / "fr" / "mine.po").write_text(f'msgid ""\nmsgstr ""\n"{header}\\n"\n\n{plural}')
    with pytest.raises(ConfigError, match=r"fr/mine\.po: not a valid file"), texts.reading("fr"):
        pass


def test_folder_without_translations_is_no_language(own: Path) -> None:
    (own / ".git").mkdir()
    assert texts.languages() == ["en", "de", "zh_CN"]
    assert texts.named("German") == "de"


def test_folder_that_is_no_language_is_named(own: Path) -> None:
    (own / "german_texts").mkdir()
    (own / "german_texts" / "mine.po").write_text(HEADER)
    with pytest.raises(ConfigError, match="german_texts"):
        texts.named("French")


def test_own_file_in_any_charset_is_read(own: Path) -> None:
    (own / "fr" / "mine.po").write_text(HEADER.replace("utf-8", "idna") + 'msgid "Customer"\nmsgstr "Client"\n')
    with texts.reading("fr"):
        assert texts.gettext("Customer") == "Client"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh_CN"),
        ("zh", "zh_CN"),
        ("de-AT, de;q=0.9", "de"),
        ("en-GB,de;q=0.5", "en"),
        ("fr;q=0.9, de;q=0.4", "de"),
        ("fr", ""),
        ("", ""),
        ("*;q=nonsense", ""),
    ],
)
def test_language_of_a_browser(accepted: str, language: str) -> None:
    assert texts.negotiate(accepted) == language


@pytest.mark.parametrize(
    ("recorded", "language"),
    [("zh-CN", "zh_CN"), ("Chinese", "zh_CN"), ("中文", "zh_CN"), ("German", "de"), ("Deutsch", "de"), ("de_DE", "de"),
     ("en", "en"), ("French", ""), ("", ""), (None, "")],
)  # fmt: skip
def test_language_of_a_customer_as_the_crm_records_it(recorded: str | None, language: str) -> None:
    assert texts.named(recorded) == language


AT, SHANGHAI = datetime(2026, 11, 16, 9, 30, tzinfo=UTC), ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ("16 Nov 2026", "Mon 16 Nov 2026", "1,234", "96%", "EUR 1,234,567", "1,234.57", "-1.5", "in 3 days")),
        (
            "de",
            (
                "16. Nov. 2026",
                "Mo., 16. Nov. 2026",
                "1.234",
                "96\xa0%",
                "1.234.567 EUR",
                "1.234,57",
                "-1,5",
                "in 3 Tagen",
            ),
        ),
        (
            "zh_CN",
            ("2026年11月16日", "2026年11月16日周一", "1,234", "96%", "EUR 1,234,567", "1,234.57", "-1.5", "3 天后"),
        ),
    ],
)
def test_dates_numbers_and_amounts_are_those_of_the_reader(language: str, expected: tuple[str, ...]) -> None:
    day = AT.date()
    with texts.reading(language):
        found = (
            formatting.day(day),
            formatting.weekday(day),
            formatting.number(1234.4),
            formatting.percent(0.956),
            formatting.money(Decimal(1234567), "EUR"),
            formatting.kpi_value(1234.567, "number"),
            formatting.signed(-1.5, 1),
            formatting.distance(3),
        )
    assert found == expected


def test_time_is_in_the_given_zone() -> None:
    with texts.reading("zh_CN"):
        assert formatting.timestamp(AT, SHANGHAI) == "2026年11月16日 17:30 GMT+08:00"
    assert formatting.timestamp(AT, SHANGHAI) == "16 Nov 2026 17:30 GMT+08:00"
    assert formatting.age(AT - timedelta(hours=50), AT) == "2 days"


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Europe/Berlin", "CET"), ("America/Chicago", "CST"), ("Europe/London", "GMT"), ("UTC", "UTC"),
        ("Asia/Manila", "GMT+08:00"), ("Asia/Kolkata", "GMT+05:30"), ("America/Havana", "GMT-05:00"),
        ("Asia/Dubai", "GMT+04:00"),
    ],
)  # fmt: skip
def test_zone_that_shares_its_short_name_is_an_offset(zone: str, name: str) -> None:
    assert formatting.timestamp(AT, ZoneInfo(zone)).split(" ")[-1] == name


def test_what_rounds_to_zero_has_no_minus() -> None:
    assert (formatting.number(-0.4), formatting.percent(-0.001), formatting.signed(-0.04, 1)) == ("0", "0%", "+0.0")
    assert formatting.money(Decimal("-0.3"), "EUR") == "EUR 0"
    assert (formatting.number(-0.6), formatting.percent(-0.006)) == ("-1", "-1%")


def test_unknown_values_are_named() -> None:
    with texts.reading("de"):
        assert (formatting.day(None), formatting.number(None)) == ("unbekannt", "unbekannt")
        assert formatting.distance((date(2026, 1, 2) - date(2026, 1, 1)).days * 0) == "heute"
