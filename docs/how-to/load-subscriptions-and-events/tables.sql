-- A vendor's billing tables and event log, in a typical form.
create table customers (customer_no int primary key, company text, country text, joined date);

-- One row per plan of a customer. A change of plan ends one row and starts the next. Without ended_on it is active.
create table subscriptions (
    sub_id int primary key, customer_no int, plan text, seats int, currency text, mrr numeric,
    started_on date, ended_on date
);

create table pauses (sub_id int primary key, paused_on date, resumed_on date);

create table events (event_no int primary key, customer_no int, person text, name text, at timestamptz);

insert into customers values
    (1, 'Alder', 'DE', '2025-01-08'), (2, 'Birch', 'DE', '2025-01-30'), (3, 'Cedar', 'FR', '2025-03-10'),
    (4, 'Douglas', 'FR', '2024-12-20'), (5, 'Elm', 'US', '2024-12-20'), (6, 'Fir', 'DE', '2025-03-28'),
    (7, 'Gingko', 'US', '2025-04-28'), (8, 'Hazel', 'US', '2024-12-20'), (9, 'Ivy', 'US', '2025-11-30');

insert into subscriptions values
    (11, 1, 'Basic', 5, 'USD', 100, '2025-01-10', null),
    (21, 2, 'Basic', 5, 'USD', 100, '2025-02-01', '2025-06-01'),
    (22, 2, 'Pro', 10, 'USD', 250, '2025-06-01', null),
    (31, 3, 'Pro', 10, 'USD', 250, '2025-03-15', '2025-09-15'),
    (32, 3, 'Basic', 5, 'USD', 100, '2025-09-15', null),
    (41, 4, 'Basic', 5, 'USD', 100, '2025-01-01', '2025-08-20'),
    (51, 5, 'Basic', 10, 'USD', 200, '2025-01-01', '2025-07-01'),
    (52, 5, 'Basic', 10, 'USD', 200, '2025-10-10', null),
    (61, 6, 'Pro', 5, 'EUR', 100, '2025-04-01', null),
    (71, 7, 'Pro', 15, 'USD', 300, '2025-05-01', null),
    (81, 8, 'Basic', 5, 'USD', 100, '2025-01-01', null),
    (82, 8, 'Add-on', 5, 'USD', 50, '2025-01-01', '2026-02-10'),
    (91, 9, 'Trial', 2, 'USD', 0, '2025-12-01', '2025-12-15'),
    (92, 9, 'Basic', 5, 'USD', 100, '2025-12-20', null);

insert into pauses values (61, '2025-11-01', '2025-12-16'), (71, '2025-09-01', '2026-01-10');

insert into events values
    (1, 1, 'ann', 'report made', '2026-01-05 09:00+00'), (2, 1, 'ann', 'report made', '2026-03-10 09:00+00'),
    (3, 1, 'ann', 'report made', '2026-03-10 15:00+00'), (4, 2, 'bob', 'signed in', '2026-03-12 09:00+00'),
    (5, 3, 'cid', 'report made', '2026-03-03 09:00+00'), (6, 5, 'eve', 'report made', '2026-03-31 22:00+00'),
    (7, 6, 'fay', 'report made', '2026-03-04 06:00+00'), (8, 6, 'flo', 'report shared', '2026-03-20 06:00+00');
