-- Requests for features that people entered, and tickets that they assigned to a request. Of a ticket, or of an origin,
-- the newest counts.
create table meta.request_entry (
    entry_id bigint generated always as identity primary key, -- Number of the entry
    request text not null check (request <> ''), -- Name of the request
    account_key text not null default '', -- The account that asked; empty if the ticket's is not known
    asked_on date not null, -- When it asked
    ticket_key text, -- The ticket; null for a request outside the desk
    origin text, -- Its id in the tool that a file came from, so that the file can be read again; null for none
    note text not null default '', -- What the account asked for, in the words of the person who entered it
    entered_by text not null, -- Who entered it
    known_from timestamptz not null
);
create index request_entry_ticket on meta.request_entry (ticket_key) where ticket_key is not null;
create index request_entry_origin on meta.request_entry (origin, entry_id desc) where origin is not null;

-- What people decided on requests. Of each field, the newest value counts.
create table meta.request_change (
    change_id bigint generated always as identity primary key, -- Number of the change
    request text not null check (request <> ''), -- Name of the request
    merged_into text, -- Request that it is part of; empty once it no longer is; null if this changes something else
    kind text check (kind in ('essential', 'individual', 'core')), -- Its type, as product sees it
    state text check (state in ('open', 'planned', 'declined', 'shipped')), -- What product decided
    shipped_on date, -- When it shipped
    note text not null default '', -- Why
    changed_by text not null, -- Who decided
    known_from timestamptz not null,
    check (merged_into <> request),
    check ((state = 'shipped') = (shipped_on is not null))
);
create index request_change_of on meta.request_change (request, change_id desc);

-- Tickets that ask for much the same as one of another request: proposals to assign or merge, for a person.
create table meta.request_hint (
    ticket_key text primary key, -- The ticket
    like_ticket text not null, -- The most similar ticket of another request
    cosine double precision not null, -- How similar their texts are, from 0 to 1
    known_from timestamptz not null -- When they were compared
);
