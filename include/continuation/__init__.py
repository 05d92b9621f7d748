"""Which deal continues which term: open questions for people, and their answers."""
