"""What each decision saw and which filters blocked a rule, so that "why did it not open?" has an answer for a month."""

from alembic import op

revision = "0.1.0_0019"
down_revision = "0.1.0_0018"

TABLES = """
-- Why something did not open although its condition held: one row per filter. With subject_id '': the rule
-- as it was in force on that day; with rule '': what the gate said of the sources and of single accounts.
create table ops.evaluation (
    day date not null,           -- that was decided upon
    rule text not null,          -- signal, playbook, or renewal for the ladder; '': all rules
    subject_kind text not null,
    subject_id text not null,
    account_key text not null,
    reason text not null,        -- a code of include/decide/rules/reasons.py
    facts jsonb not null,
    primary key (day, rule, subject_kind, subject_id, reason)
);
create index evaluation_account on ops.evaluation (account_key, day);

-- The values that the conditions of that day read. Nothing that names a person.
create table ops.evaluation_input (
    day date not null,
    subject_kind text not null,
    subject_id text not null,
    account_key text not null,
    facts jsonb not null,        -- column -> value; what is unknown is left out
    primary key (account_key, day, subject_kind, subject_id)
);
create index evaluation_input_day on ops.evaluation_input using brin (day);
"""

GRANTS = """
grant select on ops.evaluation, ops.evaluation_input to perennial_loader, perennial_reader;
grant select, insert, update, delete on ops.evaluation, ops.evaluation_input to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
