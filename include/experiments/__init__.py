"""Experiments: whether a playbook works, read from its hold-out."""
