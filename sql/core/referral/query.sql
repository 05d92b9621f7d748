-- Purpose: referrals: an account's customers-to-be, from the day on which they met the standard.
-- Grain: referred prospect. Inputs: prospects. Window: none.
-- Caveat: an account that refers itself, or that came later than the referred one, referred nobody.
select
    referrer_key as account_key,
    prospect_key as referred_key,
    qualified_on as referred_on,
    qualified_lead_key,
    qualified_field,
    qualified_known_from
from core.prospect
where referrer_key is not null
    and referrer_key <> prospect_key
    and qualified_on is not null
    and not was_customer
