-- Purpose: questions that are asked often enough for an entry in the help centre.
-- Grain: day and question. Inputs: clusters of tickets labelled how_to. Window: none.
-- Caveat: `analysis triage` writes the clusters. The texts stay in the tickets.
select
    as_of,
    cluster_no,
    language,
    about,
    n_tickets,
    n_accounts,
    ticket_keys[1] as example_key,
    answer_key,
    known_from
from meta.qa_cluster
