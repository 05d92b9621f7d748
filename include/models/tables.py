"""Create the models' tables and views from their metadata, and change them in place when it changes.

Other objects depend on them: views of a BI tool, grants, indexes, triggers. None of these is ever dropped. A removed
column is dropped if nothing foreign depends on it; otherwise the model fails with an error that names the dependent
object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.models import query_errors, unread
from include.models.registry import Model
from include.models.sql_files import BUILT

# Comments of Perennial's own tables and views start with this. The rest identifies the definition.
_MARK = "perennial "
_SHOWN = 5
# SQLSTATEs of a blocked change: dependent objects, not supported, a view cannot lose a column, missing privilege.
_BLOCKED = ("2BP01", "0A000", "42P16", "42501")


class Existing(NamedTuple):
    """A table or view in the database.

    Args:
        kind: Its kind in PostgreSQL's catalog.
        word: The kind as statements name it.
        partitioned_by: Its partition key, such as ``RANGE (day)``.
    """

    kind: str
    word: str
    comment: str | None
    partitioned_by: str | None


def prepare(connection: sa.Connection, model: Model, table: Existing | None) -> bool:
    """Create a model's table or view unless it exists as its metadata says.

    Args:
        table: The table or view of this name in the database.

    Returns:
        Whether the table is empty and must be filled from the first day, which also adds its key. A table whose columns
        or key changed is emptied and altered: it is derived data, so nothing is lost.

    Raises:
        ConfigError: A foreign object is in the way. Nothing is changed.
    """
    signature = _signature(model)
    if table and table.comment == signature:
        return False
    if table and not (table.comment or "").startswith(_MARK):
        raise ConfigError(
            f"{model.name} already exists without Perennial's comment, so Perennial did not create it",
            cure=f"rename or move it; if it is Perennial's and only its comment was changed, run"
            f" `comment on {table.word} {model.name} is '{_MARK}'`; then build again",
        )
    try:
        is_empty = _create_or_change(connection, model, table)
        kind = "view" if _kind(model) == "v" else "table"
        connection.exec_driver_sql(f"comment on {kind} {model.name} is '{signature}'")
    except sa.exc.DBAPIError as error:
        diag = getattr(error.orig, "diag", None)
        if not table or getattr(error.orig, "sqlstate", "") not in _BLOCKED:
            raise query_errors.readable(model, error) from None
        about = " ".join(f"{diag.message_primary}; {diag.message_detail or ''}".split()) if diag else str(error.orig)
        raise ConfigError(f"{model.name} cannot be changed to match its metadata.yaml: {about}", cure=_CURE) from None
    return is_empty


def _create_or_change(connection: sa.Connection, model: Model, existing: Existing | None) -> bool:
    """Create or change the table or view. Return whether it is empty now."""
    kind = _kind(model)
    by = f"RANGE ({model.metadata.window_column})" if kind == "p" else ""
    if not existing:
        _create(connection, model)
    elif kind == "r" and existing.kind == "r" and model.metadata.materialisation == "frozen":
        _widen(connection, model)
        return False
    elif kind == existing.kind == "v":
        _change_view(connection, model)
    elif kind == existing.kind and by == (existing.partitioned_by or "").replace('"', ""):
        _change_table(connection, model)
    else:
        _recreate(connection, model, existing.word)
    return True


def missing(connection: sa.Connection, names: Sequence[str]) -> list[str]:
    """Return the models whose table or view does not exist or is suspended."""
    return list(connection.execute(_MISSING, {"names": list(names)}).scalars())


def is_partitioned(model: Model) -> bool:
    """Return whether a model's table is partitioned by month."""
    return model.metadata.materialisation == "account_day"


def _create(connection: sa.Connection, model: Model) -> None:
    if _kind(model) == "v":
        connection.exec_driver_sql(f"create view {model.name} as\n{_literal(_view(model))}")
        return
    columns = ", ".join(f'"{name}" {column.type}' for name, column in model.metadata.columns.items())
    by = f" partition by range ({model.metadata.window_column})" if is_partitioned(model) else ""
    connection.exec_driver_sql(f"create table {model.name} ({columns}){by}")


def _widen(connection: sa.Connection, model: Model) -> None:
    """Add new columns to a table that cannot be rebuilt. Removed columns stay."""
    for name, column in model.metadata.columns.items():
        connection.exec_driver_sql(f'alter table {model.name} add column if not exists "{name}" {column.type}')


def _change_table(connection: sa.Connection, model: Model) -> None:
    """Empty a table and change its columns and key. Readers of unchanged columns are not affected."""
    wanted = {name: column.type for name, column in model.metadata.columns.items()}
    existing: dict[str, str] = dict(connection.execute(_COLUMNS, {"name": model.name}).tuples().all())
    dropped = [name for name, kind in existing.items() if wanted.get(name) != kind]
    key = connection.execute(_KEY, {"name": model.name}).one_or_none()
    is_rekeyed = key is not None and (
        list(key.columns) != list(model.metadata.unique_key) or {*dropped} & {*key.columns}
    )
    changes = [f'drop column "{name}"' for name in dropped]
    if key is not None and is_rekeyed:
        changes.insert(0, f'drop constraint "{key.name}"')
        changes += [f'alter column "{name}" drop not null' for name in key.columns if name not in dropped]
    changes += [f'add column "{name}" {kind}' for name, kind in wanted.items() if existing.get(name) != kind]
    dependents = connection.execute(_DEPENDENTS, _dependents_of(model)).all()
    affected = [one for one in dependents if one.column in dropped or one.is_foreign_key or (one.is_key and is_rekeyed)]
    _suspend_dependents(connection, model, affected)
    connection.exec_driver_sql(f"truncate {model.name}")
    for change in changes:
        connection.exec_driver_sql(f"alter table {model.name} {change}")


def _change_view(connection: sa.Connection, model: Model) -> None:
    """Replace a view. If foreign objects read it, it keeps its columns in order; removed ones become null."""
    dependents = connection.execute(_DEPENDENTS, _dependents_of(model)).all()
    if all(one.is_ours for one in dependents):
        _recreate(connection, model, "view")
        return
    existing: dict[str, str] = dict(connection.execute(_COLUMNS, {"name": model.name}).tuples().all())
    wanted = model.metadata.columns
    removed = [one for one in dependents if one.column in existing and one.column not in wanted]
    _suspend_dependents(connection, model, removed)
    columns = [
        f'"{name}"' if name in wanted else f'cast(null as {kind}) as "{name}"' for name, kind in existing.items()
    ]
    columns += [f'"{name}"' for name in wanted if name not in existing]
    connection.exec_driver_sql(
        f"create or replace view {model.name} as\nselect {', '.join(columns)} from (\n{_literal(_view(model))}\n) as q"
    )


def _recreate(connection: sa.Connection, model: Model, was: str) -> None:
    """Drop and create a table or view that nothing foreign depends on, with the same grants."""
    _suspend_dependents(connection, model, connection.execute(_DEPENDENTS, _dependents_of(model)).all())
    grants = connection.execute(_GRANTS, {"name": model.name}).scalars().all()
    connection.exec_driver_sql(f"drop {was} {model.name}")
    _create(connection, model)
    for grant in grants:
        connection.exec_driver_sql(grant.replace("%", "%%"))


def _suspend_dependents(connection: sa.Connection, model: Model, dependents: Sequence[sa.Row]) -> None:
    """Suspend our own views that depend on a change. Foreign dependent objects are an error.

    Raises:
        ConfigError: A foreign object is in the way. The message names it, its owner and the column.
    """
    foreign = [one for one in dependents if not one.is_ours]
    if foreign:
        blockers = [
            f"{one.what}{f' of {one.owner}' if one.owner else ''}"
            f" depends on {f'its column {one.column}' if one.column else 'it'}"
            for one in foreign
        ]
        more = f"; {len(blockers) - _SHOWN} more" if len(blockers) > _SHOWN else ""
        raise ConfigError(
            f"{model.name} cannot be changed to match its metadata.yaml: {'; '.join(blockers[:_SHOWN])}{more}",
            cure=_CURE,
        )
    for view in dict.fromkeys(one.what.removeprefix("view ") for one in dependents):
        _suspend(connection, view)


def _suspend(connection: sa.Connection, view: str) -> None:
    """Make one of our views read nothing until the build reaches it. It keeps its columns, grants and readers.

    Reading it meanwhile raises an error that says so, instead of returning a wrong answer.
    """
    columns = connection.execute(_COLUMNS, {"name": view})
    nulls = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in columns)
    never = f"cast(cast('{view} is suspended until the build reaches it' as text) as integer) = 0"
    connection.exec_driver_sql(f"create or replace view {view} as select {nulls} where {never}")
    connection.exec_driver_sql(f"comment on view {view} is '{_MARK}waits'")


def _dependents_of(model: Model) -> dict[str, object]:
    return {"name": model.name, "built": list(BUILT), "mark": f"{_MARK}%"}


def _kind(model: Model) -> str:
    """Return the kind in PostgreSQL's catalog: a view (v), a partitioned table (p) or a plain one (r)."""
    return "v" if model.metadata.materialisation == "view" else "p" if is_partitioned(model) else "r"


def _signature(model: Model) -> str:
    meta = model.metadata
    definition = (
        (meta.materialisation, unread.visible(model.facts.fingerprint, model.entities))
        if meta.materialisation == "view"
        else (meta.materialisation, meta.window_column, meta.unique_key, [(n, c.type) for n, c in meta.columns.items()])
    )
    return f"{_MARK}{hashlib.sha256(repr(definition).encode()).hexdigest()[:16]}"


def _view(model: Model) -> str:
    """Return a view's query. Staging views leave out sources that were never completely read."""
    return unread.visible(model.query, model.entities) if model.schema == "staging" else model.query


def _literal(query: str) -> str:
    """Escape a query without parameters for the driver."""
    return query.replace("%", "%%")


_MISSING = sa.text(
    "select name from unnest(cast(:names as text[])) with ordinality as n (name, place)"  # noqa: S608 - a text of this file
    f" where to_regclass(name) is null or obj_description(to_regclass(name), 'pg_class') = '{_MARK}waits'"
    " order by place"
)
_CURE = (
    "nothing was changed: ask its owner to remove that column or drop the dependent object, then build again; or"
    " keep the model's columns, key and materialisation unchanged"
)
EXISTING_COLUMNS = """
    c.relkind::text as relkind,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
        when 'S' then 'sequence' else 'table' end as word,
    obj_description(c.oid, 'pg_class') as comment, pg_get_partkeydef(c.oid) as partitioned_by
"""
_COLUMNS = sa.text(
    """
    select attname, replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz')
    from pg_attribute
    where attrelid = to_regclass(:name) and attnum > 0 and not attisdropped
    order by attnum
    """
)
_KEY = sa.text(
    """
    select k.conname as name, array_agg(a.attname::text order by n.place) as columns
    from pg_constraint as k
    cross join unnest(k.conkey) with ordinality as n (attnum, place)
    join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = n.attnum
    where k.conrelid = to_regclass(:name) and k.contype = 'p'
    group by k.conname
    """
)
# Grants to roles other than the owner, on the whole table and on single columns, as statements.
_GRANTS = sa.text(
    """
    select
        format(
            'grant %s%s on %s to %s%s', g.privilege_type, g.of_column, :name,
            case when g.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end,
            case when g.is_grantable then ' with grant option' else '' end
        )
    from (
        select c.relowner, '' as of_column, e.* from pg_class as c cross join aclexplode(c.relacl) as e
        where c.oid = to_regclass(:name)
        union all
        select c.relowner, format(' (%I)', a.attname), e.* from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid cross join aclexplode(a.attacl) as e
        where c.oid = to_regclass(:name)
    ) as g
    where g.grantee <> g.relowner
    """
)
# Everything that PostgreSQL would drop with a table, view or column, or that blocks the drop: views, functions, foreign
# keys, indexes, triggers, policies, statistics, publications. Perennial's own objects are left out: partitions, the
# key, the index on account_key. Its own views are marked.
_DEPENDENTS = sa.text(
    """
    with part as (
        select c.oid, c.reltype, t.typarray
        from pg_class as c
        left join pg_type as t on t.oid = c.reltype
        where c.oid = to_regclass(:name)
            or c.oid in (select relid from pg_partition_tree(to_regclass(:name)))
    ),
    dependents as (
        select d.classid, d.objid, d.refobjid, d.refobjsubid, false as is_key
        from pg_depend as d
        join part as p on d.refclassid = 'pg_class'::regclass and d.refobjid = p.oid
        where d.deptype in ('n', 'a')
        union all
        select d.classid, d.objid, k.conrelid, 0, true
        from pg_depend as d
        join pg_constraint as k on d.refclassid = 'pg_constraint'::regclass and d.refobjid = k.oid and k.contype = 'p'
        join part as p on p.oid = k.conrelid
        where d.deptype = 'n'
        union all
        select d.classid, d.objid, p.oid, 0, false
        from pg_depend as d
        join part as p on d.refclassid = 'pg_type'::regclass and d.refobjid in (p.reltype, p.typarray)
        where d.deptype in ('n', 'a')
    )
    select distinct
        i.type || ' ' || i.identity as what,
        coalesce(pg_get_userbyid(coalesce(c.relowner, f.proowner)), '') as owner,
        coalesce(a.attname, '') as column,
        r.is_key,
        coalesce(k.contype = 'f' and k.conrelid not in (select oid from part), false) as is_foreign_key,
        coalesce(
            c.relkind = 'v' and n.nspname = any(:built) and obj_description(c.oid, 'pg_class') like :mark, false
        ) as is_ours
    from dependents as r
    left join pg_rewrite as w on r.classid = 'pg_rewrite'::regclass and w.oid = r.objid
    left join pg_constraint as k on r.classid = 'pg_constraint'::regclass and k.oid = r.objid
    left join pg_proc as f on r.classid = 'pg_proc'::regclass and f.oid = r.objid
    left join pg_class as c
        on c.oid = coalesce(w.ev_class, k.conrelid, case when r.classid = 'pg_class'::regclass then r.objid end)
    left join pg_namespace as n on n.oid = c.relnamespace
    left join pg_attribute as a on a.attrelid = r.refobjid and a.attnum = r.refobjsubid and a.attnum > 0
    cross join pg_identify_object(
        case when w.rulename = '_RETURN' then 'pg_class'::regclass else r.classid end,
        case when w.rulename = '_RETURN' then w.ev_class else r.objid end,
        0
    ) as i
    where r.classid <> 'pg_attrdef'::regclass
        and not (r.classid = 'pg_class'::regclass and r.objid in (select oid from part))
        and not coalesce(k.contype in ('p', 'n') and k.conrelid in (select oid from part), false)
        and not coalesce(w.rulename = '_RETURN' and w.ev_class in (select oid from part), false)
        and not coalesce(
            c.relkind = 'i' and c.relname = split_part(:name, '.', 2) || '_account_key_idx', false
        )
    order by 1, 3
    """
)
