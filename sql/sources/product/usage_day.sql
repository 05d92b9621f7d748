-- Purpose: usage of each feature by each user on each day.
-- Grain: one row per account, user, feature and day; id is these four, joined by '|'.
-- Output: id, account_id, user_id, feature (the names in config/usage.yaml), day, n_events, minutes, updated_at.
-- Window: rows changed after :since by updated_at, and those without one; :since is null on a full read. The current
-- day is read with its events so far, and again when it has more.
-- Caveat: if your table has single events, group them by day here and return max(updated_at).
select
    workspace_key || '|' || member_no || '|' || feature_key || '|' || activity_date as id,
    workspace_key as account_id,
    cast(member_no as text) as user_id,
    feature_key as feature,
    activity_date as day,
    event_count as n_events,
    active_minutes as minutes,
    updated_at
from member_feature_daily
where cast(:since as timestamptz) is null or updated_at > :since or updated_at is null
order by updated_at, id
