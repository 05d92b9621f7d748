-- Experiments: the hold-outs of playbooks, as they were designed when they started.
create table ops.experiment (
    experiment text primary key, -- Name of the playbook
    hold_out double precision not null check (hold_out > 0 and hold_out < 1), -- Share of families without tasks
    horizon_days int not null, -- A renewal counts if it is decided within this many days after the trigger
    smallest_effect double precision not null, -- Smallest gain of the renewal rate that is worth knowing, as a share
    ends_on date, -- Planned end; null for none
    started_on date not null, -- Day of the first assignment
    known_from timestamptz not null
);

-- Accounts of an experiment and their arm, written before the trigger. All accounts of a family have the same arm.
create table ops.experiment_account (
    experiment text not null references ops.experiment, -- Name of the playbook
    account_key text not null,
    unit_key text not null, -- Top account of its family at the assignment
    arm text not null check (arm in ('acted', 'held_out')), -- held_out is the control group
    stratum text not null, -- Tier and health band of the family's largest account
    tier text, -- Tier of the account at the assignment
    band text, -- Health band of the account at the assignment
    arr numeric(18, 2), -- ARR of the account at the assignment
    owner_key text, -- CSM of the account at the assignment
    assigned_on date not null, -- Day of the assignment
    withdrawn_on date, -- Since when it is not held out, because its family has a key account
    known_from timestamptz not null,
    primary key (experiment, account_key)
);
create index experiment_account_unit on ops.experiment_account (experiment, unit_key);

-- Weekly read-outs of the experiments.
create table meta.experiment_reading (
    experiment text not null, -- Name of the playbook
    read_on date not null, -- Day of the read-out
    verdict text not null, -- Code in include/experiments/reading.py
    n_acted int not null, -- Settled renewals of accounts that got tasks
    n_renewed_acted int not null, -- Renewed among them
    n_held_out int not null, -- Settled renewals of held-out accounts
    n_renewed_held_out int not null, -- Renewed among them
    n_open int not null, -- Renewals that are not settled yet
    difference double precision, -- Renewal rate of the accounts with tasks minus that of the held-out accounts
    low double precision, -- Lower bound of the fixed 95-percent interval
    high double precision, -- Upper bound of the fixed 95-percent interval
    sequence_low double precision, -- Lower bound of the 95-percent confidence sequence; null before the first look
    sequence_high double precision, -- Upper bound of the 95-percent confidence sequence; null before the first look
    detectable double precision, -- Smallest effect that this number of renewals can show
    warnings text[] not null, -- Codes of what limits the reading
    read_at timestamptz not null, -- When it was read
    primary key (experiment, read_on)
);
