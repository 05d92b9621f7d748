"""Which deal continues which term: what waits for a person, and what people answered."""
