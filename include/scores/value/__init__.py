"""The customer value score: computed by ``marts.account_value``, explained here; and the tiers that follow from it."""
