-- Labels of tickets, each change a row: what was known when. Texts of tickets are not here.
create table meta.ticket_label (
    label_id bigint generated always as identity primary key, -- Number of the label
    ticket_key text not null, -- The ticket
    label text not null -- What it is about
        check (label in ('bug', 'how_to', 'management', 'request', 'unknown')),
    p double precision not null, -- Probability of the most probable label; 1 from desk and agents
    labelled_by text not null -- desk is its own field, rule a pattern; empty and spam have no text that counts
        check (labelled_by in ('desk', 'rule', 'model', 'agent', 'empty', 'spam')),
    person text not null default '', -- Who corrected it
    about text not null default '', -- Feature, or topic of management; empty if none is named
    language text not null default '', -- en or zh
    version int not null default 0, -- Version of the model; 0 from desk and agents
    known_from timestamptz not null, -- Since when it is the label
    checked_version int not null default 0, -- Newest version of the model that gave the same label
    checked_at timestamptz not null -- When it was last compared with the ticket
);
create index ticket_label_of on meta.ticket_label (ticket_key, label_id desc);

-- Models of ticket triage. The newest kept one labels.
create table meta.triage_model (
    version int primary key, -- Version of the model
    rules text not null, -- Hash of the patterns and seeds that it was fitted with
    n_labels int not null, -- Tickets and seeds that it was fitted with
    n_judged int not null, -- Tickets on which it was compared with the model before
    f1 double precision, -- Macro-F1 on them, in five folds; null for none
    f1_before double precision, -- Macro-F1 of the model before on them; null for none
    is_kept boolean not null, -- Whether it was kept: better than the one before, or other patterns or seeds
    content bytea not null, -- Its weights; empty if it was not kept
    fitted_at timestamptz not null -- When it was fitted
);

-- Frequent questions of the last 28 days: tickets alike in label and language.
create table meta.qa_cluster (
    as_of date not null, -- Last of the 28 days
    cluster_no int not null, -- 1 for the most tickets
    language text not null, -- en or zh
    about text not null default '', -- Feature that most of them name
    n_tickets int not null, -- Its tickets
    n_accounts int not null, -- Accounts that asked
    ticket_keys text[] not null, -- Its tickets, the most typical first
    answer_key text, -- The ticket with the best-rated answer; null for none
    known_from timestamptz not null, -- When it was found
    primary key (as_of, cluster_no)
);
