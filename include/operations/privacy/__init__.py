"""Stewardship of what is kept: how long, and what is erased on request."""
