-- Goals of releases, each change a row: what was known before a release shipped.
create table meta.release_goal (
    release text not null, -- Name of the release
    released_on date not null, -- When it ships, as planned then
    goal double precision, -- Share of the targets that should adopt it; null for none
    definition jsonb not null, -- Features, targets and goal, as in the file
    known_from timestamptz not null,
    primary key (release, known_from)
);

-- Adoption of releases, one row each. A final row never changes.
create table meta.release_adoption (
    release text primary key, -- Name of the release
    released_on date not null, -- When it shipped
    goal double precision, -- Goal that was set by that day; null if none was
    n_targets int not null, -- Customers for whom it is, with known use
    n_unknown int not null, -- Customers for whom it is, without known use: they do not count
    n_reached int not null, -- Targets with a user within 28 days
    n_adopted int not null, -- Targets with 3 users, or with use in 2 of the 4 weeks
    n_tickets int, -- Tickets of these days that name it; null if none was triaged
    is_final boolean not null, -- Whether its 28 days are over and their use was read
    judged_at timestamptz not null -- When it was counted
);
