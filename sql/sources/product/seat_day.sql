-- Purpose: paid seats and seats in use of each account, day by day.
-- Grain: one row per account and day; id is these two, joined by '|'.
-- Output: id, account_id, day, n_paid_seats, n_activated_seats, updated_at.
-- Window: rows changed after :since by updated_at, and those without one; :since is null on a full read.
select
    workspace_key || '|' || snapshot_date as id,
    workspace_key as account_id,
    snapshot_date as day,
    seats_paid as n_paid_seats,
    seats_activated as n_activated_seats,
    updated_at
from seat_snapshots
where cast(:since as timestamptz) is null or updated_at > :since or updated_at is null
order by updated_at, id
