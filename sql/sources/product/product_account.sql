-- Purpose: the accounts of the product, and which CRM account each belongs to.
-- Grain:   one row per workspace. This is the shipped example; put your own file of this name into
--          $PERENNIAL_CONFIG_DIR/sql/sources/product/.
-- Output:  id, name, crm_account_id, domain, plan, is_internal, created_at, updated_at, and is_deleted where rows are
--          marked as deleted instead of removed. crm_account_id must be the CRM's own id of the account; domain one that
--          the customer proved to own, as for its single sign-on. An account without its id is matched by that domain.
-- Window:  rows changed after :since by updated_at, and those without one; :since is null on a full read.
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
