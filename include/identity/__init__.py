"""Identity: which account an id means, whom a person may confirm, and what nobody may guess."""
