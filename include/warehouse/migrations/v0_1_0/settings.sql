-- Settings tables: the settings that models read, as of the plan of the last build.

-- Configured sources.
create table meta.source (
    source text primary key, -- Name of the source
    kind text not null -- crm, support or product
);

-- Product features with a special meaning.
create table meta.feature (
    feature text primary key, -- Name of the feature
    is_value_event boolean not null, -- True if its use counts as a value event
    is_key_feature boolean not null -- True if it counts for adoption
);

-- Key features whose use the health score measures one by one.
create table meta.scored_feature (
    feature text primary key -- Name of the feature
);

-- Days after its due date within which a renewal still counts as renewed.
create table meta.grace_days (
    tier text primary key, -- default for all others
    days int not null -- Length in days
);

-- Accounts that are excluded from all KPIs.
create table meta.exclusion (
    account_key text primary key, -- The account
    reason text not null,
    owner text not null, -- Who asked for it
    until date not null -- Day from which it counts again
);

-- Plan rates: exchange rates into the reporting currency.
create table meta.plan_rate (
    currency text not null, -- ISO 4217 code
    from_day date not null, -- First day of validity
    to_day date not null, -- Exclusive
    rate numeric not null, -- One unit of the currency in the reporting currency
    primary key (currency, from_day)
);

-- Hours within which an urgent ticket must be solved.
create table meta.urgent_limit (
    tier text primary key, -- default for all others
    hours int not null -- Limit in hours
);

-- Service level targets of support.
create table meta.sla_target (
    priority text primary key, -- Priority of the ticket
    first_reply_minutes int not null, -- Target of the first reply in minutes
    resolution_minutes int not null, -- Target of the resolution in minutes
    business_hours boolean not null default false, -- True if the minutes count in the ticket's schedule
    stops_while_pending boolean not null default false -- True if the time to resolution leaves out pending
);

-- Days on which the desk is closed.
create table meta.closed_day (
    day date primary key -- Day on which the support desk is closed
);

-- Forecast category and probability of deal stages.
create table meta.forecast_category (
    stage text primary key, -- Empty for no deal, * for all other stages
    category text not null, -- Forecast category
    probability numeric not null -- From 0 to 1
);

-- Domains of mail providers and domains that several customers share. They match no account.
create table meta.shared_domain (
    domain text primary key -- Domain of an e-mail address
);

-- The written standard that a lead must meet to count as acquired, by the day on which it became a lead.
create table meta.lead_standard (
    version bigint primary key, -- Version of the standard
    from_day date not null, -- First day on which leads are judged by it
    to_day date not null, -- First day on which they are not
    stage_no int not null -- 1 lead, 2 qualified, 3 sales_qualified, 4 converted: the stage that it asks for
);

-- How accounts of each tier are served.
create table meta.tier_policy (
    tier text primary key, -- default for all others
    cadence_days int not null, -- Longest time without a contact, in days
    services_cost double precision not null -- Cost of services, in the reporting currency
);

-- Brands of accounts, for the customer value score.
create table meta.account_brand (
    account_key text primary key, -- The account
    brand text not null -- Class of the brand
);
