"""Ticket triage on texts: what counts of a ticket, what it is about, and how good that is on tickets it never saw."""

from __future__ import annotations

import tracemalloc
from time import process_time

import pytest

from include import config
from include.analyses.triage import model, routes, texts
from include.config import triage as settings
from include.config.triage import Triage
from tests.analyses import judged_triage

TRACE = "Hi,\nTraceback (most recent call last):\n  File 'a.py', line 3\nKeyError: 'x'"


@pytest.fixture(scope="module")
def rules() -> Triage:
    return config.load().triage


@pytest.fixture(scope="module")
def fitted(rules: Triage) -> model.Model:
    seeds = settings.seeds().labelled
    return model.fit([text for text, _ in seeds], [label for _, label in seeds], rules)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("It fails.\n\nOn Mon, 3 Mar 2025 at 10:11, Support wrote:\n> how do I", "It fails."),
        ("还是不行\n\n发件人：客服\n> 请问怎么操作", "还是不行"),
        ("New text\n> quoted\nmore", "New text\nmore"),
        ("Text\n-- \nAnn, Contoso", "Text"),
        ("Text\nSent from my iPhone", "Text"),
        ("Text\n-----Original Message-----\nolder", "Text"),
    ],
)
def test_quoted_mails_and_fixed_lines_do_not_count(body: str, kept: str, rules: Triage) -> None:
    assert texts.clean("Re: 回复：Export", body, rules.ignored_lines) == f"Export\n{kept}"


@pytest.mark.parametrize("body", ["\n" * 10_000 + "x", " \n" * 5_000 + "x", " " * 10_000 + "x", "\t" * 10_000 + "x"])
def test_time_to_clean_a_body_of_empty_lines_is_linear_in_its_length(body: str) -> None:
    started = process_time()
    assert texts.clean("", body) in ("x", "")
    assert process_time() - started < 3  # short: CPU seconds of this process; it needs a hundredth of that


def test_a_subject_that_says_nothing_does_not_count() -> None:
    assert texts.clean("(no subject)", None) == "" and texts.clean(None, "") == ""


def test_language_is_that_of_a_tenth_of_the_letters() -> None:
    found = [texts.language(text) for text in ("导出 CSV 报错", "Export 500", "the read-only link 在哪里生成", "")]
    assert found == ["zh", "en", "zh", "en"]


def test_shown_excerpts_name_nobody() -> None:
    text = "Hi Sam,\nAnna Lind of Contoso cannot log in: anna@contoso.com, +46 70 123 45 67, https://x.io\nThanks, Bo"
    shown = texts.masked(text, ["Anna Lind", "Contoso"])
    assert shown == "[name] of [name] cannot log in: [e-mail], [number], [link]"
    assert len(texts.masked("word " * 100, most=50)) == 50


def test_a_stack_trace_is_a_bug_and_nonsense_is_unknown(fitted: model.Model, rules: Triage) -> None:
    trace, nonsense, two = fitted.guess([TRACE, "ok", "导出失败 export failed with an error"], rules)
    assert (trace.label, trace.by) == ("bug", "rule") and two.label == "bug"
    assert nonsense.label == settings.UNKNOWN and nonsense.p < rules.least_probability


def test_a_stored_model_gives_the_same_labels(fitted: model.Model, rules: Triage) -> None:
    some = [one["subject"] + one["body"] for one in judged_triage.tickets()[:30]]
    again = model.Model.load(fitted.dump())
    assert [one.label for one in again.guess(some, rules)] == [one.label for one in fitted.guess(some, rules)]
    assert fitted.guess([], rules) == []


def test_what_a_ticket_is_about_is_named_by_its_words(rules: Triage) -> None:
    assert rules.subject_of("bug", "导出失败") == "import and export"
    assert rules.subject_of("management", "Please resend the invoice") == "invoices and payment"
    assert rules.subject_of("bug", "hello") == ""


def test_targets_hold_on_tickets_that_were_labelled_before_the_patterns(
    fitted: model.Model, rules: Triage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "fit", lambda *_: fitted)
    found = judged_triage.judged()
    assert found["all"]["macro_f1"] >= 0.80
    assert found["all"]["bug_precision"] >= 0.85
    assert found["all"]["unknown"] <= 0.15
    assert abs(found["en"]["macro_f1"] - found["zh"]["macro_f1"]) <= 0.05
    assert found["kappa of the labellings"] >= 0.8
    tickets = judged_triage.tickets()
    assert len(tickets) == 300 and sum(one["language"] == "zh" for one in tickets) == 150


def test_thousands_of_like_questions_are_grouped_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {str(n): "How do I log in?" if n % 8 else "Where is the export of invoices?" for n in range(800)}
    monkeypatch.setattr(routes.store, "texts_of", lambda connection, keys: {key: asked[key] for key in keys})
    tracemalloc.start()
    found = list(routes._groups(None, list(asked)))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(group) for group in found] == [700, 100]
    assert found[0][:3] == [1, 2, 3]
    assert peak < 20_000_000
