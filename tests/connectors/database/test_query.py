import contextlib
from pathlib import Path

import pytest

from include.common.errors import ConfigError
from include.connectors.database import query as queries
from include.warehouse import sql_guard

GOOD = "select key as id, n as n_events, updated_at from t"


def load(tmp_path: Path, text: str, backend: str = "postgresql"):
    path = tmp_path / "usage_day.sql"
    path.write_text(text)
    return queries.load("usage_day", path, backend)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + ";\n-- the end\n",
        "with x as (select 1 as id) select * from x union all select 2",
        "select id from t where updated_at > :since::timestamptz and note <> 'drop table x; :z' and at = '12:30'",
    ],
)
def test_single_select_is_accepted(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select 1; select 2", "usage_day.sql: has 2 statements"),
        ("select 1; drop table t", "has 2 statements"),
        ("delete from t", "usage_day.sql:1: is not a select"),
        ("with x as (delete from t returning *) select * from x", "more than read: DELETE FROM t"),
        ("select * into y from x", "more than read"),
        ("select * from x for update", "more than read"),
        ("select id\nfrom t\nwhere x = :from_day", r"usage_day.sql:3:12: uses an unknown parameter :from_day"),
        ("select id,\n  (a + b\nfrom t", r"usage_day.sql:\d:\d+: is not valid SQL"),
        ("select 'open", "is not valid SQL"),
    ],
)
def test_anything_but_a_single_select_is_rejected_with_its_position(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, text)


def test_empty_file_disables_its_entity(tmp_path: Path) -> None:
    assert load(tmp_path, "-- not available here\n") is None


def test_parameters_are_recognized_before_a_cast(tmp_path: Path) -> None:
    query = load(tmp_path, "select id from t where a > :since::timestamptz and b = ':x'")
    assert query.parameters == {"since"}
    assert "CAST(:since AS TIMESTAMPTZ)" in query.executable and query.executable.endswith(r"b = '\:x'")


def test_executed_query_is_the_parsed_query(tmp_path: Path) -> None:
    query = load(tmp_path, "select 'a' as id -- one\n, now() as updated_at /* and\nmore */ from t -- :since\n;")
    assert query.executable == "SELECT 'a' AS id, CURRENT_TIMESTAMP AS updated_at FROM t"
    # A colon in a text literal used to need a backslash.
    assert load(tmp_path, r"select 'a\:b' as id, 'c:d'::text as n from t").executable == (
        r"SELECT 'a\:b' AS id, CAST('c\:d' AS TEXT) AS n FROM t"
    )


REFUSED = r"""
postgresql|select id from t where (cast(2 as double precision)).pg_sleep is not null
postgresql|select n.pg_sleep as id from generate_series(2, 2) as n
postgresql|select ('select 1'::text).ts_stat as id
postgresql|select (pid).pg_terminate_backend as id from t
postgresql|select t.dblink_exec as id from t
postgresql|select U&"pg\005fread_file"('/etc/passwd') as id
postgresql|select u&"dblink\005fexec"('host=x', 'insert') as id
postgresql|select U&"d!0061ta" uescape '!' as id
postgresql|select U&'\0061' as id
postgresql|select "pg_read_file"('x') as id
postgresql|select t."pg_read_file"('x') from t
postgresql|select pg_catalog.set_config('role', 'none', true) as id
postgresql|select E'a\'b' as id
postgresql|select 'x' as "a\b"
postgresql|select /*+ SeqScan(t) */ 1 as id
postgresql|select ts_stat('select to_tsvector(pg_read_file(1))') as id
postgresql|select * from ts_stat('select 1')
postgresql|select query_to_xml_and_xmlschema('select 1', true, true, '') as id
postgresql|select * from rows from (pg_ls_dir('.')) as x
postgresql|select a from t order by pg_advisory_lock(1)
postgresql|select count(*) filter (where pg_notify('a', 'b') is null) as id
postgresql|select array(select pg_stat_reset()) as id
postgresql|select current_setting('x') as id
postgresql|select lo_from_bytea(0, 'x') as id
postgresql|select my_schema.my_function(1) as id
postgresql|select x operator(pg_catalog.=) 1 as id from t
postgresql|select 'pg_authid'::regclass as id
postgresql|select rolpassword as id from pg_authid
postgresql|select rolpassword as id from pg_catalog.pg_authid
postgresql|select 1 as id from "pg_authid"
postgresql|select table_name as id from information_schema.tables
postgresql|select u.crosstab as id from unnest(array['select 1']) as u
postgresql|select u.http_get as id from unnest(array['http://x']) as u(v)
postgresql|select e.crosstab as id from t, lateral jsonb_array_elements_text(t.j) as e
postgresql|select u.crosstab as id from rows from (unnest(array['select 1'])) as u
postgresql|select c.crosstab as id from current_catalog as c
postgresql|select unnest.crosstab as id from unnest(array['select 1'])
postgresql|select lpad('x', 1000000000) as id
postgresql|select repeat(a, 2 * 500000000) as id from t
postgresql|select format('%1000000000s', a) as id from t
postgresql|select format('%1$*2$s', a, 1000000000) as id from t
sqlite|select printf('%.1000000000d', a) as id from t
postgresql|select rpad('x', '1000000000') as id
mssql|select space(1000000000) as id
mssql|select replicate('x', 1000000000) as id
mysql|select 1 as id /*!, load_file('/etc/passwd') as account_id */
mysql|select 1 as id /*!50000 , sleep(1e5) as x */
mysql|select 1 as id /*M!100100 , sleep(1e5) as x */
mysql|select sleep(1) as id
mysql|select `benchmark`(1, 2) as id
mysql|select 'a\'b' as id
mysql|select @@version as id
mysql|select @a := 1 as id
mysql|select host as id from mysql.user
mariadb|select load_file('x') as id
mssql|select * from openrowset('a', 'b', 'c')
mssql|select 1 as id from srv.db.dbo.t
mssql|select 1 as id from t with (tablockx)
mssql|select next value for s as id
mssql|select name as id from sys.objects
mssql|select 1 as id from srv...t
mssql|select 1 as id from srv.db..t
mssql|select 1 as id from [srv]..dbo.[t] as x
oracle|select id from t@link
oracle|select id from s.t@link.world
oracle|select id from t @ link
oracle|select id from t@"link"
oracle|select utl_inaddr.get_host_address as id from dual
oracle|select sys.utl_inaddr.get_host_address as id from dual
oracle|select id from t match_recognize (partition by a)
oracle|select utl_http.request('http://x') as id from dual
oracle|select dbms_xmlgen.getxml('select 1 from dual') as id from dual
oracle|select s.nextval as id from dual
oracle|select username as id from dba_users
sqlite|select load_extension('x') as id
sqlite|select name as id from sqlite_master
sqlite|select name as id from pragma_table_info('t')
duckdb|select id from '/etc/passwd'
duckdb|select id from 'people.csv'
duckdb|select id from "people.csv.gz" as p
duckdb|select id from 'https://vendor.example/rows.parquet'
databricks|select id from csv.`/mnt/people`
snowflake|select $1 as id from @stage
"""


@pytest.mark.parametrize("case", REFUSED.strip().splitlines())
def test_functions_not_on_the_allowlist_are_rejected(tmp_path: Path, case: str) -> None:
    backend, text = case.split("|", 1)
    with pytest.raises(ConfigError, match=r"usage_day\.sql"):
        load(tmp_path, text, backend)


TAKEN = """
postgresql|select u.name as id, (u.j -> 'a') ->> 'b', u.date, u.text from users as u
postgresql|select a::text as id, b ~ '\\d+', c @> '{}'::jsonb, d->>'x', e at time zone 'UTC' from t
postgresql|select distinct on (a) a as id, count(*) filter (where b) from t
postgresql|select e.v as id from t, jsonb_array_elements_text(t.j) with ordinality as e(v, n) limit 5
postgresql|select date_trunc('day', a) as id, age(a, b), extract(epoch from a), make_date(1, 2, 3) from t
postgresql|select a ? 'x' as id, a ?| array['x', 'y'], a ?& array['x'], a #- '{x}' from t
postgresql|select encode(sha256(convert_to(a, 'UTF8')), 'hex') as id, timezone('UTC', b), repeat('x', 3) from t
postgresql|select format('%% 12345 %9s', a) as id from t
postgresql|select r.id, jsonb_each.key from t, jsonb_each(t.j), jsonb_to_recordset(t.k) as r(id int, b text)
postgresql|select r.a as id, r.b from rows from (unnest(array[1]), generate_series(1, 2)) as r(a, b)
postgresql|select u.* from unnest(array[1]) as u(id)
postgresql|select s.t.a as id, unnest.unnest, g.g from s.t, unnest(t.b), generate_series(1, 3) as g
mysql|select a as id, now(), now(6), sysdate() from t where b > date_sub(now(), interval 1 day)
mysql|select time_to_sec(a) as id, json_contains(b, '1'), to_base64(c), mid(d, 1, 2), bin_to_uuid(e) from t
mysql|select j.a as id from t, json_table(t.b, '$[*]' columns (a int path '$.a')) as j
mssql|select value as id, getutcdate(), replicate('x', 3), datalength(a) from t cross apply string_split(t.a, ',')
mssql|select j.a as id from t cross apply openjson(t.b) with (a int) as j
oracle|select a.city.name as id, standard_hash(a.b, 'MD5'), next_day(a.c, 'MON'), bitand(1, 2) from t a
sqlite|select json_tree.value as id, quote(a), json_array(1) from t, json_tree(t.b)
mysql|select date_format(a, '%Y') as id, unix_timestamp(a), ifnull(a, b), json_unquote(json_extract(a, '$.x')) from `t`
mssql|select isnull(a, 1) as id, convert(varchar(10), a, 120), dateadd(day, 1, a) from [x] with (nolock)
oracle|select nvl(a, 1) as id, to_char(a, 'x'), trunc(a), decode(a, 1, 2, 3) from t
sqlite|select strftime('%Y', a) as id, datetime(a), julianday(a), ifnull(a, 1) from t
bigquery|select id from `my-project.sales.events_*`
mssql|select id from [Sales Orders $1]
"""


@pytest.mark.parametrize("case", TAKEN.strip().splitlines())
def test_functions_needed_for_mapping_are_allowed(tmp_path: Path, case: str) -> None:
    backend, text = case.split("|", 1)
    assert load(tmp_path, text, backend)


@pytest.mark.parametrize("backend", ["postgresql", "mysql", "mssql", "oracle", "sqlite"])
def test_allowed_function_is_accepted_under_its_parser_name(tmp_path: Path, backend: str) -> None:
    dialect = sql_guard.known_dialect(backend)
    for name in sorted(name for name in sql_guard.functions() if name.islower()):
        for arguments in ("", "a", "a, b", "a, b, c"):
            with contextlib.suppress(sql_guard.NotValid):
                (made,) = sql_guard.parse(f"select {name}({arguments}) as id from t", dialect)
                sql_guard.check(made)


def test_parse_time_is_linear_in_the_file_length(tmp_path: Path) -> None:
    text = "select 1 as id;" + "/**/" * 2000
    assert load(tmp_path, text)
    with pytest.raises(ConfigError, match="has 2 statements"):
        load(tmp_path, text + "x")


def test_too_deeply_nested_query_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"usage_day\.sql.*nested too deeply"):
        load(tmp_path, f"select {'(' * 3000}1{')' * 3000} as id")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["n_events", "updated_at"], "returns no column id"),
        (["id", "n_events"], "returns no column updated_at"),
        (
            ["id", "updated_at", "n_event"],
            r"usage_day.sql:1:24: usage_day has no column n_event \| did you mean n_events",
        ),
        (["id", "updated_at", "n_events", "n_events"], "returns the column n_events twice"),
    ],
)
def test_output_columns_are_checked_against_the_entity(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, GOOD.replace("n_events", "n_event")).check_columns(names)


def test_output_can_omit_columns_and_mark_deletes(tmp_path: Path) -> None:
    load(tmp_path, GOOD).check_columns(["id", "updated_at", "is_deleted", "feature"])


def test_overlay_files_and_misspelt_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    folder = tmp_path / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    (folder / "product_user.sql").write_text(GOOD)
    assert queries.available("product_db")["product_user"] == folder / "product_user.sql"
    (folder / "product_users.sql").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"unknown entity product_users \| did you mean product_user\.sql"):
        queries.available("product_db")
