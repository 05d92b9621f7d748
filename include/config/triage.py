"""``triage.yaml``: what a ticket is about, by patterns whose examples are their tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from include.config import files, phrases
from include.config.documents import Strict, read, validate

Label = Literal["bug", "how_to", "management", "request"]
LABELS: tuple[Label, ...] = ("bug", "how_to", "management", "request")
UNKNOWN = "unknown"


def _checked(phrase: str) -> str:
    phrases.compiled(phrase)
    return phrase


Phrase = Annotated[str, AfterValidator(_checked)]
Phrases = Annotated[tuple[Phrase, ...], Field(max_length=200)]


class Pattern(Strict):
    """Phrases that mean a label.

    Args:
        examples: Tickets that the patterns together must give this label. They are checked when the file is read.
    """

    label: Label
    language: Literal["en", "zh"]
    phrases: Annotated[Phrases, Field(min_length=1)]
    examples: Annotated[tuple[str, ...], Field(min_length=1)]

    def matches(self, text: str) -> bool:
        return matches(self.phrases, text)


class Triage(Strict):
    """The file.

    Args:
        desk_values: Label -> values of the ticket's type or tags that mean it.
        least_probability: Below it, a ticket is unknown.
        features: Feature of the product -> phrases.
        topics: Topic of management -> phrases.
        patterns: In order. The first that matches says what a ticket is.
        ignored_lines: Lines that match are left out.
        spam: Tickets that match are left out.
    """

    desk_values: dict[Label, tuple[str, ...]]
    least_probability: Annotated[float, Field(ge=0.25, le=1)]
    features: dict[str, Phrases]
    topics: dict[str, Phrases]
    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=100)]
    ignored_lines: Phrases
    spam: Phrases

    @model_validator(mode="after")
    def _check_examples(self) -> Triage:
        for pattern in self.patterns:
            for example in pattern.examples:
                found = self.first(self.hits(example)) or UNKNOWN
                if found != pattern.label:
                    raise ValueError(f"the example {example!r} of {pattern.label} gets the label {found}")
        return self

    def hits(self, text: str) -> list[int]:
        """Return the positions of the patterns that match."""
        return [place for place, pattern in enumerate(self.patterns) if pattern.matches(text)]

    def first(self, hits: Sequence[int]) -> Label | None:
        """Return the label of the first pattern that matches."""
        return self.patterns[hits[0]].label if hits else None

    def of_desk(self, values: Iterable[str]) -> Label | None:
        """Return the label that the desk's own values say."""
        given = {value.strip().lower() for value in values}
        return next((label for label, known in self.desk_values.items() if given & {v.lower() for v in known}), None)

    def subject_of(self, label: str, text: str) -> str:
        """Return the feature, or the topic of management, that a ticket is about; "" if none is named."""
        known = self.topics if label == "management" else self.features
        return next((name for name, words in known.items() if matches(words, text)), "")


def matches(words: Iterable[str], text: str) -> bool:
    return any(phrases.compiled(one).search(text) for one in words)


class Seeds(Strict):
    """``triage/seeds.yaml``: tickets from which the model learns, by label."""

    bug: tuple[str, ...] = ()
    how_to: tuple[str, ...] = ()
    management: tuple[str, ...] = ()
    request: tuple[str, ...] = ()

    @property
    def labelled(self) -> list[tuple[str, Label]]:
        return [(text, label) for label in LABELS for text in getattr(self, label)]


@files.cached_for("config", "triage/seeds.yaml")
def seeds(found: dict[str, Path]) -> Seeds:
    """Return the tickets in force from which the model learns.

    Raises:
        ConfigError: The file is wrong. The message names file, line and key.
    """
    return validate(read(found["triage/seeds.yaml"]), Seeds)
