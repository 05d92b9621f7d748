"""The make-believe world: who the customers are and what happens to them, as records that change over time."""
