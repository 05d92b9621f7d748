"""Every text that people read exists in every shipped language, with the same placeholders and valid plural forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel import Locale

from include.common import paths, texts
from include.config import files, own_texts, templates
from include.decide.playbooks.load import MORE_NAMES
from include.decide.playbooks.load import load as load_playbooks
from include.decide.rules import forbidden_phrases
from include.decide.signals.load import load as load_signals
from include.operations import translations

LANGUAGES = ("de", "zh_CN")


@pytest.fixture(scope="module")
def wanted() -> dict[str, set[tuple[str | None, translations.Id]]]:
    return {domain: set(entries) for domain, entries in translations.found().items()}


def _known(language: str, domain: str) -> dict[tuple[str | None, translations.Id], tuple[str, ...]]:
    # Reading also checks the placeholders of each translation.
    return translations.translated(paths.LOCALES / language / f"{domain}.po", language)


def test_shipped_languages() -> None:
    assert texts.languages() == ["en", *LANGUAGES]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_no_other(
    language: str, wanted: dict[str, set[tuple[str | None, translations.Id]]]
) -> None:
    """`python -m include.cli texts update LANGUAGE --shipped` adds and removes texts; then write the new ones."""
    known = {domain: set(_known(language, domain)) for domain in wanted}
    assert {d: sorted(map(str, wanted[d] - known[d])) for d in wanted if wanted[d] - known[d]} == {}
    assert {d: sorted(map(str, known[d] - wanted[d])) for d in wanted if known[d] - wanted[d]} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_texts_have_the_forms_of_their_language(language: str) -> None:
    forms = len(Locale.parse(language).plural_form.tags) + 1
    for path in sorted((paths.LOCALES / language).glob("*.po")):
        for (_, message), found in translations.translated(path, language).items():
            assert len(found) == (forms if isinstance(message, tuple) else 1), (path.name, message)


def test_translations_of_rules_can_be_rendered_and_promise_nothing() -> None:
    with files.checked_once():
        for rule in (*load_signals().values(), *load_playbooks().values()):
            rows = [{**row, **rule.thresholds, **MORE_NAMES} for row in rule.table.examples()]
            for text in translations.of_file(files_content(rule.path)):
                for language, translation in own_texts.in_every_language(text):
                    if language != texts.ENGLISH:
                        templates.check(translation, set(rows[0]), rows)
                        if "{{" in text:
                            forbidden_phrases.check(translation)


@pytest.mark.parametrize("language", texts.languages())
def test_questions_to_a_customer_promise_nothing(language: str) -> None:
    asked = [
        message
        for (_, message), where in translations.found()["reports"].items()
        if "include/reports/questions.py" in where and isinstance(message, str)
    ]
    assert len(asked) >= 10
    with texts.reading(language):
        for message in asked:
            forbidden_phrases.check(texts.from_file(message))


def files_content(path: Path) -> dict[str, object]:
    from include.config.documents import read

    return read(path).data


@pytest.mark.parametrize("text", ["给客户打个折扣", "可以退款", "Wir geben Rabatt", "kostenlose Monate", "我们保证"])
def test_promises_are_found_in_every_language(text: str) -> None:
    with pytest.raises(ValueError, match="promise"):
        forbidden_phrases.check(text)


def test_a_text_is_found_where_it_is_used() -> None:
    found = translations.found()
    assert found["messages"][None, "What to do next"] == {
        "include/deliver/render/slack.py",
        "include/deliver/render/templates/message.html.j2",
        "include/deliver/render/templates/message.txt.j2",
    }
    assert (None, "Usage is down") in found["signals"]
    assert (None, ("{n} day", "{n} days")) in found["messages"]


def test_update_adds_new_texts_keeps_translations_and_removes_unused_ones(tmp_path: Path) -> None:
    (tmp_path / "fr").mkdir()
    (tmp_path / "fr" / "mine.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "Customer"\nmsgstr "Client"\n\nmsgid "No such text"\nmsgstr "Rien"\n'
    )
    missing = translations.update("fr", tmp_path)
    entries = translations.translated(tmp_path / "fr" / "messages.po", "fr")
    assert entries == {(None, "Customer"): ("Client",)}
    assert missing["messages"] == len(translations.found()["messages"]) - 1
    before = (tmp_path / "fr" / "messages.po").read_bytes()
    translations.update("fr", tmp_path)
    assert (tmp_path / "fr" / "messages.po").read_bytes() == before


# What may stand in a page without translation: names, codes, symbols, commands.
_NEUTRAL = re.compile(
    r"&\w+;|python -m include\.cli[^<]*|batch \w+|--reason|Perennial|UTC|P[19]0|T-[369]0|sha256|\W|\d|_"
)


@pytest.mark.parametrize(
    "path", sorted((paths.ROOT / "plugins" / "templates").glob("*.html")), ids=lambda path: path.name
)
def test_pages_have_no_text_outside_the_catalogue(path: Path) -> None:
    source = re.sub(r"<style.*?</style>|<script.*?</script>|\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    # Tags of HTML may contain expressions with signs of their own.
    source = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "\0", source, flags=re.DOTALL)
    texts_between = re.sub(r"<[^>]*>", "\0", source).split("\0")
    assert [text.strip() for text in texts_between if _NEUTRAL.sub("", text)] == []
