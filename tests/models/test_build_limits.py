"""Limits of a build: hidden personal keys and timeouts."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from include.common.errors import ConfigError, ContractError
from include.models import build, registry
from tests.fixtures import small_world as world


def test_personal_key_is_not_shown(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = world.overlay(tmp_path, "core/bot_user")
    head, _, _ = (registry.get("core.bot_user").path.parent / "metadata.yaml").read_text().partition("columns:")
    folder.joinpath("metadata.yaml").write_text(
        f"{head}columns:\n  user_key: {{type: text, description: A person., sensitivity: personal}}\n"
        "  account_key: {type: text, description: A column.}\n"
    )
    folder.joinpath("query.sql").write_text("select 'ada@x.example' as user_key, account_key\nfrom core.account_bridge")
    with pytest.raises(ContractError, match=r"two rows with the same key \(user_key\) \|") as caught:
        build.run("second")
    assert "ada@" not in str(caught.value)


def test_endless_model_is_cancelled(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The server ends the statement, the message names the setting, and the table keeps its rows."""
    seen = []

    lock = build._lock

    def impatient(connection: sa.Connection, name: str) -> None:
        lock(connection, name)
        seen.append(connection.exec_driver_sql("show statement_timeout").scalar())
        connection.exec_driver_sql("set local statement_timeout = '300ms'")

    settings = tmp_path / "config" / "settings.yaml"
    settings.write_text(settings.read_text() + "build_timeout_minutes: 7\n")
    shipped = registry.get("core.bot_user").path.parent
    folder = world.overlay(tmp_path, "core/bot_user")
    folder.joinpath("metadata.yaml").write_text((shipped / "metadata.yaml").read_text())
    folder.joinpath("query.sql").write_text(
        "select cast(sum(a.day_no + b.day_no + c.day_no) as text) as user_key, 'x' as account_key\n"
        "from meta.calendar as a\ncross join meta.calendar as b\ncross join meta.calendar as c"
    )
    assert build.plan("second")
    built.setattr(build, "_lock", impatient)
    with pytest.raises(ConfigError, match=r"core\.bot_user took longer than build_timeout_minutes"):
        build.build_model("second", "core.bot_user")
    assert seen == ["7min"]
