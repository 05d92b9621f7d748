"""A sandbox Zendesk: its API with exports, limits, errors and quirks."""
