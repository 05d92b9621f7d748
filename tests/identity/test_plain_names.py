"""Different spellings of the same company name."""

from __future__ import annotations

import pytest

from include.identity.suggest import Candidate, Ranker, Subject, plain_name


@pytest.mark.parametrize(
    "names",
    [
        ("Müller & Söhne GmbH", "Mueller und Soehne", "MULLER+SOHNE", "Müller and Söhne AG"),
        ("Moët et Cie", "Moet & Cie", "moët  ET  cie"),
        ("Pérez y Hijos S.A.", "Perez & Hijos"),
        ("张和李有限公司", "张&李有限公司"),
        ("Ørsted & Co", "Oersted and Company"),
    ],
)
def test_conjunctions_are_equal_in_every_language(names: tuple[str, ...]) -> None:
    assert len({plain_name(name) for name in names}) == 1


@pytest.mark.parametrize("name", ["Y Combinator", "And", "Et", "和", "Und Y"])
def test_conjunction_at_the_end_is_part_of_the_name(name: str) -> None:
    assert plain_name(name) == name.casefold()


def test_joined_name_comes_first() -> None:
    ranker = Ranker(
        [Candidate("crm:1", "Müller & Söhne GmbH"), Candidate("crm:2", "Müller Söhnlein"), Candidate("crm:3", "Sand")]
    )
    (best, *_) = ranker.rank(Subject("Mueller und Soehne"))
    assert (best.account_key, best.reason) == ("crm:1", "name 100% similar")
