-- Purpose: referrals: an account's customers-to-be, from the day on which they met the standard.
-- Grain: referred prospect. Inputs: prospects, accounts. Window: none.
-- Caveat: an account that refers itself, came later than the referred one or is excluded referred nobody.
select
    p.referrer_key as account_key,
    p.prospect_key as referred_key,
    p.qualified_on as referred_on,
    p.qualified_lead_key,
    p.qualified_field,
    p.qualified_known_from
from core.prospect as p
left join core.account as a on a.account_key = p.referrer_key
where p.referrer_key is not null
    and p.referrer_key <> p.prospect_key
    and p.qualified_on is not null
    and not p.was_customer
    and not coalesce(a.is_excluded, false)
