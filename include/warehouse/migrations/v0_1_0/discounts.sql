-- Discounts on renewals that somebody asked for, and the answers.
create table meta.discount_request (
    request_id bigint generated always as identity primary key, -- Number of the request
    renewal_id text not null, -- The renewal, as in core.renewal
    account_key text not null,
    list_arr numeric(18, 2) not null check (list_arr > 0), -- Annual list price of its lines
    offer_arr numeric(18, 2) not null check (offer_arr >= 0), -- Annual price to offer
    term_months int, -- Term of the new contract; null if none was given and that of the old one is not known
    depth double precision not null, -- Discount from the list price, as a share
    credited double precision not null, -- The same, less the credit for the term
    level text not null check (level in ('none', 'csm', 'lead', 'head')), -- Role that must approve it
    trades text[] not null, -- What the customer gives in return: term, reference, seats
    why text not null check (why <> ''), -- Why it is needed
    asked_by text not null, -- Who asked for it
    state text not null check (state in ('open', 'approved', 'rejected')),
    answered_by text not null default '', -- Who answered; the person who asked, if their role grants it alone
    answered_at timestamptz, -- When it was answered
    note text not null default '', -- Remark of that person
    valid_until date not null, -- Last day of the request and of its approval
    known_from timestamptz not null,
    check (state = 'open' or answered_by <> '')
);
create index discount_request_renewal on meta.discount_request (renewal_id);
