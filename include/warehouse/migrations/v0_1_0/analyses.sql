-- Which features go with renewal, one row per month and feature.
create table meta.feature_effect (
    month date not null, -- First day of the month
    feature text not null, -- The feature
    verdict text not null, -- goes_with, goes_with_losing, not_shown, unstable or too_few
    n_with int not null, -- Compared renewals with it
    n_without int not null, -- Compared renewals without it
    n_dropped int not null, -- Renewals in strata with less than 5 of either kind
    n_losses int not null, -- Lost renewals with known use
    crude double precision, -- Renewal rate with it minus without it, without strata
    difference double precision, -- The same within strata of tier, age and total use
    low double precision, -- Lower bound of its confidence interval
    high double precision, -- Upper bound of its confidence interval
    by_arr double precision, -- The same difference in the renewed share of ARR
    p double precision, -- The larger p of the interval and of the permutations
    p_adjusted double precision, -- Adjusted for the number of features
    e_value double precision, -- Ratio of risks that would explain it away; null if no finite one does
    n_begun int not null, -- Renewals whose account began to use it within the window
    n_begun_after_contact int not null, -- Those that began within 28 days after a contact
    judged_at timestamptz not null, -- When it was judged
    primary key (month, feature)
);

-- Customers that do not use a feature which goes with renewal, one row per month, account and feature.
create table meta.feature_unused (
    month date not null, -- First day of the month
    account_key text not null,
    feature text not null, -- The feature
    primary key (month, account_key, feature)
);
