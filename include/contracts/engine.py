"""Run rules with Great Expectations. No other module imports it.

The import is lazy, since it costs seconds and hundreds of megabytes per process. Expectations run in PostgreSQL,
through the loader's engine. Only counts and the numbers of bad rows are fetched, never whole rows.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from include.common.errors import WarehouseError
from include.contracts.rule import Condition, Expect, Rule

if TYPE_CHECKING:
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.validator.validator import Validator

_NOT_DELETED: Condition = ("_is_deleted", "==", False)
_QUERY = "UnexpectedRowsExpectation"


@dataclass(frozen=True)
class Check:
    """A rule with its expectation for one batch."""

    rule: Rule
    expect: Expect


@dataclass(frozen=True)
class Outcome:
    """The result of a check.

    Args:
        check: The check.
        is_passed: Whether the expectation was met.
        n_rows: Number of rows checked.
        n_bad: Number of rows that broke the rule. For a rule on the whole batch: the rows its query found.
    """

    check: Check
    is_passed: bool
    n_rows: int
    n_bad: int


class Table:
    """A table or query that Great Expectations checks."""

    def __init__(self, engine: Engine, *, table: str = "", query: str = "", n_rows: int = 0) -> None:
        """Register it with Great Expectations.

        Args:
            engine: The engine of the role that reads it.
            table: A table of the schema raw.
            query: A query, instead of a table.
            n_rows: Its number of rows.
        """
        self._n_rows = n_rows
        self._engine, self._from = engine, f"raw.{table}" if table else f"({query}) as checked"
        self._validator = _validator(engine, table, query)

    def check(self, checks: Iterable[Check]) -> list[Outcome]:
        """Count the rows that break each rule, in as few scans as possible.

        Raises:
            WarehouseError: A rule could not be checked. It then has no result.
        """
        checks = list(checks)
        if not checks:
            return []
        results = self._run(checks, {"result_format": "SUMMARY", "partial_unexpected_count": 0})
        return [self._outcome(check, result) for check, result in zip(checks, results, strict=True)]

    def bad_rows(self, outcome: Outcome) -> list[int]:
        """Return the numbers (``_row``) of all rows that break a rule on rows."""
        if outcome.check.expect.name == _QUERY:
            return self._bad_rows_by_query(outcome)
        # The list is cut at partial_unexpected_count, even for COMPLETE. Without values it is a list of numbers.
        wanted = {
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["_row"],
            "exclude_unexpected_values": True,
            "partial_unexpected_count": outcome.n_bad,
            "return_unexpected_index_query": False,
        }
        result = self._run([outcome.check], wanted)[0]["result"]
        found = [number for part in result["unexpected_index_list"] for number in part["_row"]]
        return _complete(outcome, found)

    def _bad_rows_by_query(self, outcome: Outcome) -> list[int]:
        # Great Expectations returns at most 200 of the rows that a query finds.
        query = outcome.check.expect.arguments["unexpected_rows_query"].format(batch=self._from)
        with self._engine.connect() as connection:
            return _complete(outcome, list(connection.execute(sa.text(query)).scalars()))

    def sample(self, check: Check) -> list[dict[str, Any]]:
        """Return up to 200 of the rows that a rule's query found."""
        if check.expect.name != _QUERY:
            return []
        return self._run([check], {"result_format": "COMPLETE"})[0]["result"]["details"]["unexpected_rows"]

    def _run(self, checks: list[Check], result_format: dict[str, Any]) -> list[dict[str, Any]]:
        is_counting = result_format["result_format"] == "SUMMARY"
        results = self._validator.graph_validate(
            configurations=[_expectation(check, is_counting=is_counting) for check in checks],
            runtime_configuration={"result_format": result_format, "catch_exceptions": True},
        )
        # The order of the results is not guaranteed.
        by_id: dict[str, Any] = {}
        for result in results:
            shown: Any = result.to_json_dict()
            by_id[shown["expectation_config"]["meta"]["rule"]] = shown
        for check in checks:
            problem = _exception(by_id[check.rule.id]["exception_info"])
            if problem:
                raise _unchecked(check.rule, problem)
        return [by_id[check.rule.id] for check in checks]

    def _outcome(self, check: Check, result: dict[str, Any]) -> Outcome:
        found = result["result"]
        if check.expect.name == _QUERY:
            return Outcome(check, result["success"], self._n_rows, int(found["observed_value"]))
        if "unexpected_count" in found:
            # None if no row was left to check, as in a batch of deletions.
            return Outcome(check, result["success"], found["element_count"], found["unexpected_count"] or 0)
        n_bad = 0 if result["success"] else int(found["observed_value"])
        return Outcome(check, result["success"], self._n_rows, n_bad)


def _complete(outcome: Outcome, found: list[int]) -> list[int]:
    if len(found) != outcome.n_bad:
        raise _unchecked(outcome.check.rule, f"{outcome.n_bad} rows break it, but {len(found)} were found")
    return found


@cache
def context() -> EphemeralDataContext:
    """Return this process's Great Expectations context. The first call imports Great Expectations."""
    _import_lazily("scipy.stats")
    import great_expectations

    # The second logger sets its own level on import.
    for name in ("great_expectations", "great_expectations.data_context.types.base"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = great_expectations.get_context(mode="ephemeral")
    variables: Any = context.variables  # the lookup uses a plain dictionary, whatever the annotation says
    variables.progress_bars = {"globally": False}
    _cache_configuration()
    return context


def _cache_configuration() -> None:
    """Cache the configuration of an expectation. Great Expectations asks each expectation for it forty times in a row.

    Perennial never changes an expectation after creating it. Copying the configuration each time takes a third of a
    check's CPU time outside the database.
    """
    from great_expectations.expectations.expectation import Expectation

    make: Any = Expectation.configuration.fget  # type: ignore[attr-defined]
    last: ContextVar[tuple[Any, Any]] = ContextVar("last", default=(None, None))

    def configuration(expectation: Expectation) -> Any:
        asked, made = last.get()
        if asked is not expectation:
            made = make(expectation)
            last.set((expectation, made))
        return made

    Expectation.configuration = property(configuration)  # type: ignore[method-assign,assignment]


def _import_lazily(name: str) -> None:
    """Import a module lazily, on first use.

    Great Expectations imports SciPy's for expectations about distributions, which Perennial does not use. That import
    takes a quarter of its memory and a third of its start time.
    """
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    setattr(sys.modules[parent], child, module)


def _validator(engine: Engine, table: str, query: str) -> Validator:
    data_context = context()
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
    from great_expectations.validator.validator import Validator

    # Our own engine instead of a datasource's, so that role, time zone and password are set in one place.
    execution = SqlAlchemyExecutionEngine(engine=engine, create_temp_table=False)
    data = (
        SqlAlchemyBatchData(execution_engine=execution, table_name=table, schema_name="raw")
        if table
        else SqlAlchemyBatchData(execution_engine=execution, query=query, create_temp_table=False)
    )
    execution.load_batch_data(table or "query", data)
    return Validator(execution_engine=execution, interactive_evaluation=False, data_context=data_context)


@cache
def _counted_rows() -> Any:
    """Return an expectation that only counts a query's rows. Great Expectations' own runs the query twice."""
    from great_expectations.expectations import UnexpectedRowsExpectation

    class UnexpectedRowsCountExpectation(UnexpectedRowsExpectation):
        metric_dependencies = ("unexpected_rows_query.row_count",)

        def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
            n_bad = metrics["unexpected_rows_query.row_count"]
            return {"success": n_bad == 0, "result": {"observed_value": n_bad}}

    return UnexpectedRowsCountExpectation


def _expectation(check: Check, *, is_counting: bool = False) -> Any:
    from great_expectations import expectations

    arguments = dict(check.expect.arguments)
    where = check.expect.where
    if check.rule.scope == "row" and not check.rule.on_deleted and check.expect.name != _QUERY:
        where = (_NOT_DELETED, *where)
    if where:
        arguments |= {"row_condition": _condition(where), "condition_parser": "great_expectations"}
    only_counts = is_counting and check.expect.name == _QUERY
    kind = _counted_rows() if only_counts else getattr(expectations, check.expect.name)
    return kind(**arguments, severity=check.rule.severity, meta={"rule": check.rule.id}).configuration


def _condition(where: tuple[Condition, ...]) -> Any:
    from great_expectations.expectations.row_conditions import AndCondition, Column

    made: list[Any] = []
    for name, operator, value in where:
        column = Column(name)
        if operator == "is null":
            made.append(column.is_null())
        elif operator == "is not null":
            made.append(column.is_not_null())
        else:
            made.append(column == value if operator == "==" else column != value)
    return made[0] if len(made) == 1 else AndCondition(conditions=made)


def _exception(info: dict[str, Any]) -> str:
    """Return the first line of the error, from either of the two formats that Great Expectations uses."""
    forms = [info] if "raised_exception" in info else list(info.values())
    for form in forms:
        if form["raised_exception"]:
            return str(form["exception_message"] or "no reason given").strip().splitlines()[0][:300]
    return ""


def _unchecked(rule: Rule, problem: str) -> WarehouseError:
    return WarehouseError(
        f"the rule {rule.id} could not be checked: {problem}",
        cure="run again; if it persists, fix the rule, or `batch drop ID --reason ...` to read the batch again",
    )
