"""A make-believe Slack: a workspace that keeps what is posted to it."""
