"""Scores of accounts and the forecast of renewals, each with its explanation and its record."""
