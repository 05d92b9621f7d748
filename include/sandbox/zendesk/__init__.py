"""A sandbox Zendesk: the support desk's API with its exports, limits, errors and oddities."""
