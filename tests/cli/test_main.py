"""Errors on the command line are one clear line with an exit status and no traceback."""

import json
import os
import pwd

import pytest
import typer

from include.cli import output
from include.cli.main import app, main
from include.common import user
from include.common.errors import AuthError


@pytest.fixture
def failing_command(request: pytest.FixtureRequest):
    """A command ``fail`` that raises what the test asks for."""
    command = typer.Typer()

    @command.command("fail")
    def fail() -> None:
        raise request.param

    app.registered_commands.append(command.registered_commands[0])
    yield
    app.registered_commands.pop()


@pytest.mark.parametrize("day", ["tomorrow", "9999-12-31", "0001-01-01"])
def test_day_that_cannot_be_built_exits_2(day: str) -> None:
    assert main(["build", "--from", day]) == 2


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "server" in shown.err and "error" not in shown.err


def test_unknown_command_is_one_line_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-step"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ") and "no-such-step" in shown.err


@pytest.mark.parametrize(
    "failing_command", [AuthError("crm refused the token", cure="renew it in connection crm")], indirect=True
)
def test_error_shows_message_cure_and_exit_status(failing_command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fail"]) == AuthError.exit_status
    assert capsys.readouterr().err == "error: crm refused the token\n  try: renew it in connection crm\n"


@pytest.mark.parametrize("failing_command", [KeyError("a\nb")], indirect=True)
def test_defect_is_one_line_and_debug_shows_the_traceback(
    failing_command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["fail"]) == 1
    assert "PERENNIAL_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("PERENNIAL_DEBUG", "1")
    with pytest.raises(KeyError):
        main(["fail"])


def test_config_show_prints_json_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert any(row["key"] == "batch_rows" and row["from"] for row in rows)


def test_missing_warehouse_shows_how_to_create_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.delenv("PERENNIAL_DATABASE_URL", raising=False)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    assert main(["server", "url"]) == 7
    assert "server start" in capsys.readouterr().err


def test_unmigrated_warehouse_shows_the_command(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", empty_database)
    assert main(["server", "migrate"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_plain_table_has_aligned_columns_and_no_line_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit([{"a": "x\ny", "b": None}, {"a": "longer one", "b": 3}], ("a", "b"), title="Things")
    assert capsys.readouterr().out == "Things\na           b\nx y         -\nlonger one  3\n"


def test_hostile_name_cannot_inject_terminal_codes() -> None:
    assert output.cell("\x1b[2J\x1b]0;owned\x07Evil\u202e \r\nInc.") == "[2J ]0;owned Evil Inc."


def test_command_author_is_not_taken_from_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert user.user() == pwd.getpwuid(os.getuid()).pw_name
