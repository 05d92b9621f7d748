-- Purpose: the accounts of the product, and the CRM account of each.
-- Grain: one row per workspace. Copy this example into $PERENNIAL_CONFIG_DIR/sql/sources/product/ and adapt it.
-- Output: id, name, crm_account_id, domain, plan, is_internal, created_at, updated_at, and is_deleted if rows are
-- marked as deleted instead of removed. crm_account_id must be the CRM's own id of the account; domain must be one that
-- the customer has proved to own, as for single sign-on. An account without crm_account_id is matched by its domain.
-- Window: rows changed after :since by updated_at, and those without one; :since is null on a full read.
select
    workspace_key as id,
    display_name as name,
    crm_company_ref as crm_account_id,
    sso_domain as domain,
    plan_code as plan,
    internal as is_internal,
    created_at,
    updated_at,
    deleted_at is not null as is_deleted
from workspaces
where cast(:since as timestamptz) is null or updated_at > :since or updated_at is null
order by updated_at, id
