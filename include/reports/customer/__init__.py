"""The customer's usage and value report: drafted per account and period, approved by its CSM, archived."""
