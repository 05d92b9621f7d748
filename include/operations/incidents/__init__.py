"""Data incidents from start to end, and the notifications of their owners."""
