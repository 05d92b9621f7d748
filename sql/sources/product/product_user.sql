-- Purpose: users who can log in to the product.
-- Grain: one row per member of a workspace.
-- Output: id, account_id (an id of product_account.sql), email, role, team, is_bot (also true for your own people, for
-- example by their address), activated_at (first login), deactivated_at, created_at, updated_at, and is_deleted.
-- Window: rows changed after :since by updated_at, and those without one; :since is null on a full read.
select
    cast(member_no as text) as id,
    workspace_key as account_id,
    email,
    role_name as role,
    team_name as team,
    is_robot as is_bot,
    activated_at,
    deactivated_at,
    created_at,
    updated_at,
    deleted_at is not null as is_deleted
from members
where cast(:since as timestamptz) is null or updated_at > :since or updated_at is null
order by updated_at, id
