"""The simulated world: the customers and what happens to them, as records that change over time."""
