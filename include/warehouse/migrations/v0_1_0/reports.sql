-- Charts of the pages, drawn by the DAG publish_reports. A chart is drawn again only when its figures change.
create table ops.chart (
    chart text primary key, -- Name of the chart
    title text not null, -- Title
    says text not null, -- Text alternative for screen readers
    spec_hash text not null, -- Hash of the specification, figures included
    svg text not null, -- The drawing
    as_of date, -- Newest day in the figures
    drawn_at timestamptz not null -- When it was drawn
);

-- Archive of reports: each edition as it was made. Rows are only added; an erasure blanks names in them.
create table ops.report (
    report_id bigint generated always as identity primary key, -- Number of the row
    report text not null, -- Name of the report
    period text not null, -- Such as 2026-11 or 2026-W48
    audience text not null, -- executives, product, regions or cs_operations
    regions text[] not null, -- Regions that it covers; empty for all
    edition int not null check (edition >= 1), -- 1, or higher for a corrected edition
    sha256 text not null, -- Hash of the page
    html text not null, -- The page
    data jsonb not null, -- Data of the page, without the parts that its audience may not see
    made_at timestamptz not null, -- When it was made
    unique (report, period, edition)
);

-- Customers' usage and value reports: drafts, their corrections, and approved ones. Rows are only added; an erasure
-- blanks names in them.
create table ops.customer_report (
    customer_report_id bigint generated always as identity primary key, -- Number of the row
    account_key text not null, -- The customer
    period text not null, -- Such as 2026-11 or 2026Q3
    edition int not null check (edition >= 1), -- 1, or higher for a correction or an approval
    sha256 text not null, -- Hash of the page
    html text not null, -- The page
    data jsonb not null, -- Content of the page
    next_steps text not null default '', -- What its CSM wrote as next steps
    approved_by text not null default '', -- Who approved it; empty for a draft
    made_at timestamptz not null, -- When it was made or approved
    unique (account_key, period, edition)
);
create unique index customer_report_approved on ops.customer_report (account_key, period) where approved_by <> '';

-- Day on which the drafts of a period were last compared with the figures.
create table ops.customer_report_run (
    period text primary key, -- Such as 2026-11 or 2026Q3
    compared_on date not null -- Newest day with figures at the comparison
);
