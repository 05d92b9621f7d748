"""Building the models of one task: what a failed model leaves out, and what a repeated call builds."""

from __future__ import annotations

from typing import Any

import pytest

from include.common.errors import ContractError
from include.models import build, build_group, build_store, registry
from include.warehouse.engine import engine


def test_failed_model_leaves_out_those_that_read_it_until_a_repeated_call(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-11T09:00:00Z")
    assert build.plan("second")
    names = registry.names()
    first, rest = names[: names.index("core.ticket")], names[names.index("core.ticket") :]
    assert len(build_group.run("second", first).built) == len(first)
    build_model = build.build_model

    def broken(build_id: str, name: str) -> Any:
        if name == "core.ticket":
            raise ContractError("core.ticket: check one found 1 rows")
        return build_model(build_id, name)

    built.setattr(build, "build_model", broken)
    found = build_group.run("second", rest)
    assert list(found.failed) == ["core.ticket"]
    assert found.waiting["core.ticket_solve"] == ["core.ticket"]
    left_out = {"core.ticket"}
    for name in rest:
        left_out |= {name} if left_out & {*registry.get(name).models} else set()
    assert {*found.waiting, "core.ticket"} == left_out and len(found.built) == len(rest) - len(left_out) > 0
    # As in another task, that reads it.
    assert build_group.run("second", ["core.ticket_solve"]).waiting == {"core.ticket_solve": ["core.ticket"]}
    built.setattr(build, "build_model", build_model)
    again = build_group.run("second", names)
    assert [one.model for one in again.built] == list(names) and not again.failed and not again.waiting
    assert build.finish("second").n_models == len(names)


def test_models_of_a_superseded_build_wait_for_nothing(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-11T09:00:00Z")
    assert build.plan("second")
    assert build_group.run("second", ["core.ticket_solve"]).waiting
    with engine("builder").begin() as connection:
        build_store.set_state(connection, "second", "superseded")
    found = build_group.run("second", ["core.ticket_solve"])
    assert [one.scope for one in found.built] == ["superseded"] and not found.waiting
    assert build.finish("second").n_models == 0
