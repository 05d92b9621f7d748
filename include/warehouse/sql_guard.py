"""Allow SQL from files only if it is one select of tables, with functions from a list.

Anyone may edit these files, and their SQL may run under a login with too many rights. A list of forbidden constructs is
never complete (dblink, ``query_to_xml``, any extension), so this is a list of allowed ones.

Text that a database may read differently from the parser is refused: ``U&"…"`` names and strings, ``E'…'`` strings,
backslashes outside plain strings, comments that MySQL runs (``/*! … */``), and hints in comments.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.tokens import Token, TokenType

_WRITING = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.TruncateTable, exp.Copy,
    exp.Command, exp.Into, exp.Lock, exp.Set,
)  # fmt: skip
# Computed names in function position, session variables and custom operators.
_FORBIDDEN = (
    exp.Hint, exp.Operator, exp.Parameter, exp.SessionParameter, exp.PropertyEQ, exp.ObjectIdentifier, exp.ByteString,
)  # fmt: skip
FUNCTIONS = Path(__file__).with_name("sql_functions.txt")
_SYSTEM_SCHEMAS = frozenset(
    {
        "pg_catalog", "pg_toast", "information_schema", "mysql", "performance_schema", "sys", "master", "msdb",
        "model", "system", "ctxsys", "mdsys",
    }
)  # fmt: skip
# Values that PostgreSQL accepts in place of a table name. `user` is a table elsewhere.
_VALUES = frozenset(
    {
        "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp",
        "current_user", "localtime", "localtimestamp", "session_user", "system_user",
    }
)  # fmt: skip
_SYSTEM_NAMES = ("pg_", "sqlite_", "pragma_", "dba_", "v$", "gv$", "x$")
# Errors that sqlglot's parser and generator raise on unexpected input.
_PARSER_ERRORS = (AttributeError, TypeError, ValueError, LookupError, AssertionError)
_LOOSE_HINTS = frozenset({"nolock", "readuncommitted", "readpast"})
# One string may take a gigabyte of the server's memory, whatever `work_mem` says. Padding needs no more characters than
# this.
_MAX_LENGTH = 10_000
# The width of a value in PostgreSQL's `format` and SQLite's `printf`.
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{5}|\*)")
_PARTS_OF_A_TABLE = 3  # a fourth part is another server
# DuckDB and Spark read a file or an address in place of a table's name, Snowflake a stage.
_A_FILE = re.compile(r"[/\\:@]|\.\w+$")


class NotValid(ValueError):
    """The text is not SQL of its dialect.

    Args:
        message: What is wrong.
        line: Line of the text; None if unknown.
        near: The text at that place.
    """

    def __init__(self, message: str, line: int | None = None, column: int | None = None, near: str = "") -> None:
        self.line, self.column, self.near = line, column, near
        super().__init__(message)


class NotAllowed(ValueError):
    """The SQL is valid but not allowed. The message continues a sentence about the file."""


# Functions of one argument that do more than compute. No column of a product has such a name.
_CALLED_AS_COLUMNS = (
    "pg_", "lo_", "loread", "lowrite", "ts_stat", "ts_rewrite", "setval", "setseed", "brin_", "gin_", "dblink", "txid_",
    "binary_upgrade", "query_to_", "table_to_", "schema_to_", "database_to_", "cursor_to_", "set_config",
    "current_setting",
)  # fmt: skip
# Default column names of set-returning functions: of JSON, of split strings, of numbered rows.
_COLUMNS_OF_FUNCTIONS = frozenset(
    {"*", "key", "value", "ordinality", "ordinal", "type", "atom", "id", "parent", "fullkey", "path"}
)


def parse(text: str, dialect: str | None) -> list[exp.Expr]:
    """Parse a text into statements.

    Args:
        text: The SQL.
        dialect: sqlglot's name of the dialect; None for standard SQL.

    Raises:
        NotValid: The text is not SQL.
        NotAllowed: A database may read the text differently from the parser.
    """
    try:
        made = sqlglot.Dialect.get_or_raise(dialect)
        _check_tokens(text, made.tokenize(text), dialect)
        found = made.parse(text)
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        description = str(first.get("description", error))
        raise NotValid(description, first.get("line"), first.get("col"), str(first.get("highlight", ""))) from None
    except sqlglot.errors.SqlglotError as error:
        raise NotValid(str(error).splitlines()[0]) from None
    except RecursionError:
        raise NotValid("nested too deeply") from None
    except NotAllowed:
        raise
    except _PARSER_ERRORS:
        raise NotValid("the parser cannot read it") from None
    return [one for one in found if one is not None and not isinstance(one, exp.Semicolon)]


def check(statement: exp.Expr) -> None:
    """Check that a statement only reads tables and only calls functions on the list.

    Raises:
        NotAllowed: It does more. The message says what.
    """
    sources, made = _sources(statement), _function_columns(statement)
    for node in statement.walk():
        if isinstance(node, _WRITING):
            raise NotAllowed(f"does more than read: {_shown(node)}")
        if isinstance(node, _FORBIDDEN):
            raise NotAllowed(f"uses `{_shown(node)}`, which is not allowed")
        if isinstance(node, exp.Func):
            _check_call(node)
        elif isinstance(node, exp.Table):
            _check_table(node)
        elif (
            isinstance(node, exp.Dot)
            and isinstance(node.expression, exp.Identifier)
            and not node.find_ancestor(exp.Table)
        ):
            # PostgreSQL reads `(value).name` as `name(value)`:
            # https://www.postgresql.org/docs/current/xfunc-sql.html#XFUNC-SQL-COMPOSITE-FUNCTIONS
            raise NotAllowed(f"uses `{_shown(node)}`, which may call the function {node.expression.name}")
        elif isinstance(node, exp.Column) and node.table:
            _check_column(node, sources, made)
        elif isinstance(node, exp.WithTableHint) and {one.name.lower() for one in node.expressions} - _LOOSE_HINTS:
            raise NotAllowed(f"requests locks: {_shown(node)}")


def render(statement: exp.Expr, dialect: str | None) -> str:
    """Render a statement in its dialect, without comments, so that the checked statement is the one that runs.

    Raises:
        NotAllowed: It cannot be rendered so that it parses to the same statement.
    """
    try:
        text = statement.sql(dialect=dialect, comments=False, normalize_functions=False)
    except (RecursionError, sqlglot.errors.SqlglotError, *_PARSER_ERRORS):
        raise NotAllowed("cannot be rendered") from None
    try:
        again = parse(text, dialect)
    except NotValid as error:
        raise NotAllowed(f"cannot be rendered: {error}") from None
    if len(again) != 1:
        raise NotAllowed("cannot be rendered as one statement")
    check(again[0])
    return text


def _check_call(node: exp.Func) -> None:
    if isinstance(node, exp.Pad | exp.Repeat | exp.Space):
        _check_length(node)
    is_format = isinstance(node, exp.Format) or node.name.lower() in ("format", "printf")
    if is_format and any(_WIDE.search(text.name.replace("%%", "")) for text in node.find_all(exp.Literal)):
        raise NotAllowed(f"formats a text with a width of more than 4 digits, or of `*`: `{_shown(node)}`")
    if not isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        if type(node).__name__ not in functions():
            raise NotAllowed(f"calls {node.sql_name().lower()}, which is not on the list of functions")
        if isinstance(node.parent, exp.Dot) and node.parent.expression is node:
            raise NotAllowed(f"calls `{_shown(node.parent)}`: write the function's name alone")
        return
    name = node.this
    if not isinstance(name, str):  # a quoted name, which can be spelt in more ways than the parser knows
        raise NotAllowed(f"calls `{_shown(node)}`: write the function's name without quotes")
    if isinstance(node.parent, exp.Dot):
        raise NotAllowed(f"calls `{_shown(node.parent)}`: write the function's name alone")
    if name.lower() not in functions():
        raise NotAllowed(f"calls {name}, which is not on the list of functions")


def _check_length(node: exp.Func) -> None:
    """Refuse a literal length that only a mistake or an attack needs. The statement timeout limits computed ones."""
    length = node.args.get("times") or node.args.get("expression") or node.this
    for number in length.find_all(exp.Literal):
        try:
            is_long = float(number.name) > _MAX_LENGTH
        except ValueError:
            continue
        if is_long:
            raise NotAllowed(f"creates a text of {number.name} characters, more than {_MAX_LENGTH}: `{_shown(node)}`")


def _sources(statement: exp.Expr) -> frozenset[str]:
    """Return all valid column qualifiers: tables, aliases, and functions in the from clause."""
    found: set[str] = set()
    for node in statement.find_all(exp.Table, exp.TableAlias, exp.Unnest, exp.Lateral):
        named = node.this
        if isinstance(named, exp.Anonymous):
            found.add(str(named.this))
        elif isinstance(node, exp.Func) or isinstance(named, exp.Func):
            found.update((node if isinstance(node, exp.Func) else named).sql_names())
        else:
            found.update((node.name, node.alias))
    return frozenset(name.lower() for name in found if name)


def _function_columns(statement: exp.Expr) -> dict[str, set[str]]:
    """Return the column names of each function in the from clause, by its qualifiers."""
    found: dict[str, set[str]] = {}
    for node in statement.find_all(exp.Table, exp.Unnest, exp.Lateral):
        function = node if isinstance(node, exp.Unnest) else node.this
        if node.args.get("rows_from"):
            found.setdefault(node.alias.lower(), set()).update(one.lower() for one in node.alias_column_names)
        elif isinstance(function, exp.Func):
            called = [str(function.this)] if isinstance(function, exp.Anonymous) else function.sql_names()
            defined = node.find_all(exp.ColumnDef, exp.JSONColumnDef, exp.OpenJSONColumnDef)
            names = {node.alias, *called, *node.alias_column_names, *(one.name for one in defined)} - {""}
            for name in names:
                found.setdefault(name.lower(), set()).update(one.lower() for one in names)
    return found


def _check_column(node: exp.Column, sources: frozenset[str], made: dict[str, set[str]]) -> None:
    """Refuse function calls in column form: Oracle calls ``package.function`` without parentheses."""
    if node.name.lower() in ("nextval", "currval"):
        raise NotAllowed(f"uses the sequence {node.table}, which does more than read")
    # PostgreSQL also reads `alias.name` as `name(alias)` if the table has no column of that name.
    if node.name.lower().startswith(_CALLED_AS_COLUMNS):
        raise NotAllowed(f"uses `{_shown(node)}`, which may call the function {node.name}")
    # For a set-returning function it passes each value: `u.run` from `unnest(a) as u` is `run(text)`.
    if node.name.lower() not in made.get(node.table.lower(), {node.name.lower()}) | _COLUMNS_OF_FUNCTIONS:
        raise NotAllowed(
            f"uses `{_shown(node)}`, which may call the function {node.name}: name the columns of {node.table}"
        )
    if not any(part.name.lower() in sources for part in node.parts[:-1]):
        raise NotAllowed(f"uses `{_shown(node)}`, but has no table or alias {node.table}")


def _check_table(node: exp.Table) -> None:
    # A name with too many parts, also empty ones (`server...table`), parses into a tree of dots.
    if len(node.parts) > _PARTS_OF_A_TABLE or isinstance(node.this, exp.Dot):
        raise NotAllowed(f"reads `{_shown(node)}` on another server")
    if any(isinstance(part, exp.Identifier | exp.Var) and _A_FILE.search(part.name) for part in node.parts):
        raise NotAllowed(f"reads `{_shown(node)}`, which may be a file")
    schema, name = node.db.lower(), node.name.lower()
    names = {part.name.lower() for part in node.parts[:-1]}
    if not schema and isinstance(node.this, exp.Identifier) and not node.this.quoted and name in _VALUES:
        raise NotAllowed(f"reads from `{_shown(node)}`, which is a value, not a table")
    if names & _SYSTEM_SCHEMAS or schema.startswith("pg_") or (not schema and name.startswith(_SYSTEM_NAMES)):
        raise NotAllowed(f"reads `{_shown(node)}`, which is a system table")
    if name.startswith(("sqlite_", "v$", "gv$", "dba_")):
        raise NotAllowed(f"reads `{_shown(node)}`, which is a system table")


def _check_tokens(text: str, tokens: list[Token], dialect: str | None) -> None:
    """Refuse tokens that databases read differently."""
    for token in tokens:
        for comment in token.comments:
            if comment.lstrip().startswith(("!", "M!", "+")):
                raise NotAllowed(f"contains the comment `/*{comment[:40]}*/`, which some databases execute")
        if token.token_type is TokenType.HINT:
            raise NotAllowed("contains a hint")
        written = text[token.start : token.end + 1]
        if written.upper() == "U" and text[token.end + 1 : token.end + 3] in ('&"', "&'", "&`"):
            raise NotAllowed("contains a U& name or string: write the characters themselves")
        if token.token_type is TokenType.BYTE_STRING or (
            token.token_type is TokenType.VAR and written.upper() == "UESCAPE"
        ):
            raise NotAllowed("contains a string with escapes: write the characters themselves")
        if dialect == "oracle" and "@" in written and token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER):
            raise NotAllowed(f"contains `{written[:40]}`, a link to another server")
        if "\\" not in written:
            continue
        if token.token_type is not TokenType.STRING:
            raise NotAllowed(f"contains a backslash in `{written[:40]}`")
        if dialect != "postgres" and "\\" in written.replace("\\:", ""):
            raise NotAllowed(f"contains a backslash in {written[:40]}, which servers interpret differently")


@cache
def functions() -> frozenset[str]:
    """Return the names of the allowed functions: class names of sqlglot, and all others in lower case."""
    lines = FUNCTIONS.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


@cache
def known_dialect(name: str) -> str | None:
    """Return sqlglot's name for a SQLAlchemy dialect, or None if it has none. None parses as standard SQL."""
    own = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}.get(name, name)
    return own if sqlglot.Dialect.get(own) else None


def _shown(node: exp.Expr) -> str:
    return " ".join(node.sql(comments=False).split())[:60]
