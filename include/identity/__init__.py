"""Identity: match the ids of different systems to accounts, and let people confirm or correct the matches."""
