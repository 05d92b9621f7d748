"""The customer value score and the tiers that follow from it. ``marts.account_value`` computes the score."""
