"""A sandbox Slack: a workspace that stores posted messages."""
