"""``competitors/*.yaml``: what answers a competitor, by the reason for which customers look at it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field

from include.config import files
from include.config.documents import Strict, parse_all
from include.config.person import Person

Words = Annotated[str, Field(min_length=2, max_length=80)]


class Answer(Strict):
    """What to say and show.

    Args:
        when: Words of lost reasons that it answers.
    """

    when: Annotated[tuple[Words, ...], Field(min_length=1)]
    says: Annotated[str, Field(min_length=5, max_length=500)]

    def answers(self, reason: str) -> bool:
        return any(words.lower() in reason.lower() for words in self.when)


class Competitor(Strict):
    """A competitor.

    Args:
        name: As ``competitors`` in settings.yaml lists it.
        owner: The person who keeps the answers up to date.
    """

    name: Annotated[str, Field(min_length=3, max_length=80)]
    owner: Person
    reviewed_on: date
    answers: tuple[Answer, ...] = ()

    def answer(self, reason: str) -> str:
        """Return what answers a reason; "" if nothing does."""
        return next((one.says for one in self.answers if one.answers(reason)), "")


@files.cached_for("config", "competitors/*.yaml")
def load(found: dict[str, Path]) -> dict[str, Competitor]:
    """Return the competitors by name in lower case, without those that have ``disabled: true``.

    Raises:
        ConfigError: A file is wrong, or two are about one competitor. The error names file and line.
    """
    competitors: dict[str, Competitor] = {}
    for document, competitor in parse_all(found.values(), Competitor):
        if competitor.name.lower() in competitors:
            raise document.error(("name",), f"{competitor.name} has a file already")
        competitors[competitor.name.lower()] = competitor
    return competitors
