"""The last failure of each step of a source, kept until the step succeeds."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include.common import clock, paths
from include.common.errors import PerennialError
from include.warehouse.engine import engine, readable

Step = Literal["extract", "validate", "merge"]
# Recorded, although the run goes on: the vendor's quota is used up, or it does not offer the entity.
PARTIAL, NOT_OFFERED = "QuotaExhausted", "NotOffered"
log = logging.getLogger(__name__)


@contextmanager
def recorded(source: str, step: Step, *, entity: str = "", run_id: str = "") -> Iterator[None]:
    """Record a failure of the enclosed step for the gate, or clear it when the step succeeds.

    Args:
        entity: "" if the step concerns the whole source.
        run_id: For the record.
    """
    try:
        yield
    except Exception as error:
        _record(source, entity, step, as_perennial_error(error), type(error).__name__, run_id)
        raise
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text("delete from meta.source_failure where source = :source and entity = :entity and step = :step"),
            {"source": source, "entity": entity, "step": step},
        )


def of_source(connection: Connection, source: str) -> list[RowMapping]:
    """Return the unresolved failures, oldest first."""
    rows = connection.execute(
        sa.text("select * from meta.source_failure where source = :source order by since, entity, step"),
        {"source": source},
    )
    return list(rows.mappings())


def as_perennial_error(error: Exception) -> PerennialError:
    """Return any error in a form that is safe to show. An unexpected error's text might contain a secret."""
    if isinstance(error, PerennialError):
        return error
    if isinstance(error, sa.exc.SQLAlchemyError | psycopg.Error):
        return readable(error)
    return PerennialError(
        f"unexpected {type(error).__name__} in {code_location(error)}",
        cure="this is a bug: run the step by hand with PERENNIAL_DEBUG=1 and report its output",
    )


def code_location(error: BaseException) -> str:
    """Return file and line of the innermost frame in our own code."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(paths.ROOT))]
    if not own:
        return "code outside Perennial"
    return f"{Path(own[-1].filename).relative_to(paths.ROOT)}:{own[-1].lineno}"


def _record(source: str, entity: str, step: Step, error: PerennialError, name: str, run_id: str) -> None:
    try:
        with engine("loader").begin() as connection:
            connection.execute(
                _RECORD,
                {
                    "source": source,
                    "entity": entity,
                    "step": step,
                    "error": name,
                    "reason": error.message,
                    "cure": error.cure,
                    "run_id": run_id,
                    "now": clock.now(),
                },
            )
    except (PerennialError, sa.exc.SQLAlchemyError) as second:
        # Often the warehouse itself has failed. The first error is the one to show.
        log.warning("could not record that %s of %s failed: %s", step, source, as_perennial_error(second).message)


_RECORD = sa.text(
    """
    insert into meta.source_failure as known (source, entity, step, error, reason, cure, run_id, since, failed_at)
    values (:source, :entity, :step, :error, :reason, :cure, :run_id, :now, :now)
    on conflict (source, entity, step) do update
    set error = excluded.error, reason = excluded.reason, cure = excluded.cure, run_id = excluded.run_id,
        n_times = known.n_times + 1, failed_at = excluded.failed_at
    """
)
