"""A sandbox Slack: a workspace that keeps what is posted to it."""
