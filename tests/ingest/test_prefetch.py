"""Prefetch reads one page ahead, raises errors in order, and leaves no thread behind."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from include.common.errors import Unavailable
from include.connectors.base import Page, Record
from include.ingest.prefetch import prefetch
from include.ingest.pull import Pull


def page(number: int) -> Page:
    return Page([Record(str(number), {}, {}, None)], {"page": number})


class Source:
    """A source whose reads can be observed and blocked. It fails after the last page."""

    def __init__(self, count: int, error: BaseException | None = None) -> None:
        self._count, self._error = count, error
        self.begun, self.may_go = threading.Semaphore(0), threading.Semaphore(0)
        self.n_read, self.is_closed = 0, False
        self.threads: set[int] = set()

    def pages(self) -> Generator[Page]:
        try:
            for number in range(1, self._count + 1):
                self.threads.add(threading.get_ident())
                self.begun.release()
                assert self.may_go.acquire(timeout=600)
                self.n_read = number
                yield page(number)
            if self._error:
                raise self._error
        finally:
            self.threads.add(threading.get_ident())
            self.is_closed = True


def test_one_page_is_prefetched_while_another_lands() -> None:
    source = Source(4)
    source.may_go.release(4)
    pages = prefetch(source.pages())
    assert next(pages).mark == {"page": 1}
    # This page has not landed, and the second is already being read.
    assert source.begun.acquire(timeout=600) and source.begun.acquire(timeout=600)
    a_third = source.begun.acquire(timeout=0.1)  # short: nothing arrives
    assert not a_third, "a third page is read before the second was taken"
    assert [each.mark["page"] for each in pages] == [2, 3, 4]
    assert source.is_closed
    assert threading.get_ident() not in source.threads and len(source.threads) == 1


def test_read_error_is_raised_after_the_pages_before_it() -> None:
    source = Source(2, Unavailable("the vendor is down"))
    source.may_go.release(2)
    pages = prefetch(source.pages())
    assert [next(pages).mark["page"], next(pages).mark["page"]] == [1, 2]
    with pytest.raises(Unavailable, match="the vendor is down"):
        next(pages)
    assert source.is_closed


def test_closing_the_reader_neither_waits_nor_reads_further_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.ingest.prefetch._JOIN_SECONDS", 0.01)
    source = Source(5)
    source.may_go.release()
    pages = prefetch(source.pages())
    next(pages)
    pages.close()  # returns although the second page hangs
    reader = next(each for each in threading.enumerate() if each.ident in source.threads)
    assert reader.daemon, "a process that ends would wait for it"
    source.may_go.release(4)
    reader.join()
    assert source.n_read == 2 and source.is_closed


def test_fields_are_described_in_the_reading_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("include.ingest.schema_drift.check", lambda *_: seen.append(threading.get_ident()))
    pull = Pull(None, None, "crm", "account", "")  # type: ignore[arg-type]
    pages = [Page([], None), Page([Record("1", {}, {}, None)], None), Page([Record("2", {}, {}, None)], None)]
    assert list(prefetch(pull._with_schema_check(each for each in pages))) == pages
    assert len(seen) == 1 and threading.get_ident() not in seen
