"""The renewal forecast: how probable each renewal is, what a quarter will bring, and how good both were."""
