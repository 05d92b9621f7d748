"""The renewal forecast: the probability of each renewal, the expected ARR of each quarter, and past accuracy."""
