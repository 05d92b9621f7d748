-- Charts of the pages, drawn by the DAG publish_reports. A chart is drawn again only when its figures change.
create table ops.chart (
    chart text primary key, -- Name of the chart
    title text not null, -- Title
    says text not null, -- What it shows, for those who cannot see it
    spec_hash text not null, -- Hash of the specification, figures included
    svg text not null, -- The drawing
    as_of date, -- Newest day in the figures
    drawn_at timestamptz not null -- When it was drawn
);
