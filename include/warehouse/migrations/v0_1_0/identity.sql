-- CRM accounts that were merged into another, with the time the merge was known.
create table meta.account_merge_history (
    source text not null,
    loser_id text not null, -- Account that was merged away
    survivor_id text not null, -- Account that remains, at the end of a chain of merges
    batch_id bigint not null,
    merged_at timestamptz, -- When the CRM merged them, by its clock
    known_from timestamptz not null,
    known_to timestamptz,
    primary key (source, loser_id, batch_id)
);
create index account_merge_survivor on meta.account_merge_history (source, survivor_id);
create unique index account_merge_now on meta.account_merge_history (source, loser_id) where known_to is null;

-- Merges of accounts that hold today.
create view meta.account_merge as
select source, loser_id, survivor_id, batch_id, known_from, merged_at
from meta.account_merge_history
where known_to is null;

-- People's answers about which account an id belongs to.
create table meta.identity_answer (
    answer_id bigint generated always as identity primary key, -- Number of the answer
    source text not null,
    source_id text not null, -- Id at the source
    account_key text not null, -- * with is_match false: no account at all
    is_match boolean not null, -- Whether the id belongs to the account
    reason text not null,
    answered_by text not null,
    origin text not null check (origin in ('file', 'cli')), -- Where the answer was given
    known_from timestamptz not null,
    known_to timestamptz
);
create unique index identity_answer_now on meta.identity_answer (source, source_id, account_key) where known_to is null;
create unique index identity_answer_one_match on meta.identity_answer (source, source_id)
    where known_to is null and is_match;

-- People's answers about which deal continues which term.
create table meta.renewal_answer (
    answer_id bigint generated always as identity primary key, -- Number of the answer
    term_id text not null, -- The agreed term, as in core.agreed_term
    opportunity_key text not null, -- The won deal; * with is_match false: no deal at all
    account_key text, -- Account of the term, if it was known
    is_match boolean not null, -- Whether the deal continues the term
    reason text not null,
    answered_by text not null,
    origin text not null check (origin in ('file', 'cli')), -- Where the answer was given
    known_from timestamptz not null,
    known_to timestamptz
);
create unique index renewal_answer_holds on meta.renewal_answer (term_id, opportunity_key) where known_to is null;

-- Rows of core.continuation that a build changed or removed, as they were before.
create table meta.former_continuation (
    term_id text not null, -- The agreed term, as in core.agreed_term
    opportunity_key text not null, -- The won deal
    product text not null, -- The product
    account_key text not null,
    method text not null, -- How the deal was found
    confidence double precision not null, -- From 0 to 1
    next_start date, -- Start of the term that followed
    renewed_arr numeric(18, 2), -- ARR of the term that followed
    build_id text not null, -- Build that replaced the row
    known_to timestamptz not null
);
create index former_continuation_term on meta.former_continuation (term_id);
