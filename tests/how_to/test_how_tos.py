"""Documented commands exist as written, and the blocks of the getting-started documents run in order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.warehouse import logins
from tests.fixtures import small_world as world
from tests.fixtures.sandbox import NOW, SandboxProcess
from tests.how_to.documents import DOCUMENTS, PROGRAM, ROOT, TEXTS, Command, blocks, commands, literals

ALL = sorted(set(commands()), key=str)
# Sample values for placeholders in capitals.
WORDS = {
    "STEP": "status",
    "ID": "1",
    "DAY": "2026-06-01",
    "SOURCE": "crm",
    "ENTITY": "account",
    "N": "3",
    "NUMBER": "3",
    "BATCH": "1",
}


def errors_in(words: list[str]) -> str:
    """Parse a command line as the program does, without running it. Return the errors."""
    command = PROGRAM
    context = command.context_class(command, info_name="perennial")
    try:
        while words and hasattr(command, "resolve_command"):
            if words[0].startswith("-"):
                command.make_context(context.info_name, words)
                return ""
            name, command, words = command.resolve_command(context, words)
            context = command.context_class(command, info_name=name, parent=context)
        if not hasattr(command, "resolve_command"):
            command.make_context(context.info_name, words, parent=context.parent)
    except Exception as error:
        if type(error).__name__ == "Exit":  # of --help
            return ""
        return error.format_message() if hasattr(error, "format_message") else repr(error)
    return ""


@pytest.mark.parametrize("command", ALL, ids=str)
def test_documented_commands_exist(command: Command) -> None:
    words = shlex.split(command.text.partition(" | ")[0].replace("…", "x"))
    words = words[1:] if words[0] == "./perennial" else words[3:] if words[0] == "python" else words
    words = [WORDS.get(word, "x" if re.fullmatch(r"[A-Z_]{2,}", word) else word) for word in words]
    wrong = errors_in(words)
    # A sentence may name a command without its arguments.
    assert wrong == "" or (is_name(words) and wrong.startswith("Missing"))


def is_name(words: list[str]) -> bool:
    """Return whether words are the name of a command and no more."""
    command = PROGRAM
    for word in words:
        command = getattr(command, "commands", {}).get(word)
    return command is not None


def test_texts_that_mention_make_clean_say_what_it_removes() -> None:
    said = [text for path in TEXTS if path.suffix == ".py" for text in literals(path) if "`make clean`" in text]
    assert said and [text for text in said if "remove" not in text] == []


def test_documented_psql_urls_have_no_driver() -> None:
    """PERENNIAL_DATABASE_URL contains a driver (postgresql+psycopg://), which psql does not accept."""
    found = [path.name for path in DOCUMENTS if re.search(r'psql +"?\$\{?PERENNIAL_DATABASE_URL', path.read_text())]
    assert found == []


@pytest.mark.parametrize("line", ["statsu", "status --jsn", "batch drop", "metrics shwo", "batch drop x"])
def test_invalid_documented_command_is_detected(line: str) -> None:
    assert errors_in(line.split())


class Reader:
    """A reader who copies block after block into a shell, in a clone with an environment created by make.

    Perennial's commands run in this process, since starting one takes seconds. Only the first is a new process.

    Args:
        environment: The shell's environment.
        instead: Words of the document -> this reader's values.
        patch: Sets the shell's environment for commands in this process.
        capture: Captures their output.
    """

    def __init__(
        self,
        environment: dict[str, str],
        instead: dict[str, str],
        patch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
    ) -> None:
        self._environment = environment
        self._instead = instead
        self._patch, self._capture = patch, capture
        self._is_first = True

    def run(self, block: str) -> str:
        """Run a block and return its output. Its variables stay for the next one."""
        for word, other in self._instead.items():
            block = block.replace(word, other)
        said, lines = "", []
        for line in block.splitlines():
            if not self._is_first and line.startswith("./perennial "):
                said += self._in_shell("\n".join(lines)) + self._here(line)
                lines = []
            else:
                self._is_first = self._is_first and not line.startswith("./perennial ")
                lines.append(line)
        return said + self._in_shell("\n".join(lines))

    def _here(self, line: str) -> str:
        for name, value in self._environment.items():
            self._patch.setenv(name, value)
        status = main(shlex.split(line, comments=True)[1:])
        said = self._capture.readouterr()
        assert status == 0, f"{line}\n{said.out}\n{said.err}"
        return said.out

    def _in_shell(self, lines: str) -> str:
        if not lines.strip():
            return ""
        script = f"set -e\n{lines}\nprintf '\\nVARIABLES\\n'; env -0"
        done = subprocess.run(["sh", "-c", script], cwd=ROOT, env=self._environment, capture_output=True)
        assert done.returncode == 0, f"{lines}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        said, _, variables = done.stdout.decode().rpartition("\nVARIABLES\n")
        self._environment = dict(pair.split("=", 1) for pair in variables.split("\0") if "=" in pair)
        return said


@pytest.fixture
def reader(
    empty_database: str,
    sandbox: SandboxProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Reader]:
    """A reader with an empty PostgreSQL, the sandbox as vendors, and a folder for settings."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PERENNIAL_HOME": str(tmp_path / "home"),
        "PERENNIAL_NOW": NOW,
        "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"],
        **{name: value for name, value in sandbox.connections.items() if name.endswith(("SLACK", "SMTP"))},
    }
    instead = {"postgresql+psycopg://USER:PASSWORD@HOST:5432/DATABASE": empty_database, "/etc/perennial": "$HOME/mine"}
    for document in DOCUMENTS:
        for line in re.findall(r"^export AIRFLOW_CONN_\w+=.*$", document.read_text(), re.MULTILINE):
            name = line.split("=")[0].removeprefix("export ")
            if name in sandbox.connections:
                instead[line] = f"export {name}={shlex.quote(sandbox.connections[name])}"
    # A new shell has none of this process's variables, except those of the fixtures and the block.
    for name in [name for name in os.environ if name.startswith(("PERENNIAL_", "AIRFLOW_CONN_"))]:
        monkeypatch.delenv(name)
    yield Reader(environment, instead, monkeypatch, capsys)
    logins.dispose(empty_database)


def test_connect_your_systems_and_then_readme(reader: Reader, empty_database: str) -> None:
    said = [reader.run(block) for block in blocks(ROOT / "docs" / "how-to" / "connect-your-systems.md")]
    assert "nothing" in said[0].lower() or "no " in said[0].lower()
    with sa.create_engine(empty_database).connect() as connection:
        assert connection.execute(sa.text("select count(*) from raw.hubspot__account")).scalar_one() > 0
        assert connection.execute(sa.text("select count(*) from marts.account_day")).scalar_one() > 0
    without_airflow = next(block for block in blocks(ROOT / "README.md") if "ingest" in block)
    assert "NRR" in reader.run(without_airflow) or "nrr" in reader.run(without_airflow)


def test_add_a_kpi(built: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The entry in the how-to is a complete file, and its commands show the new metric."""
    document = ROOT / "docs" / "how-to" / "add-a-kpi.md"
    entry = next(block for block in blocks(document, "yaml") if "detractor_share" in block)
    (tmp_path / "sql" / "metrics").mkdir(parents=True)
    (tmp_path / "sql" / "metrics" / "detractors.yaml").write_text(entry)
    answers = [
        {"account_id": number, "contact_id": f"c{number}", "kind": "nps", "score": Decimal(score)}
        for number, score in (("1", 3), ("2", 10))
    ]
    at = datetime(2026, 5, 20, tzinfo=UTC)
    world.load("survey_response", *(world.record(f"s{n}", answered_at=at, **one) for n, one in enumerate(answers)))
    said = []
    for command in (command for command in commands() if command.document == document):
        if "detractor_share" in command.text or command.text.endswith((" write", " build", " metrics")):
            assert main(shlex.split(command.text)[1:]) == 0, command.text
            said.append(capsys.readouterr().out)
    assert len(said) >= 4
    assert any("detractor_share" in one for one in said)
    assert any("50.0%" in one for one in said), said
