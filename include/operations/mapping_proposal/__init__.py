"""Propose a mapping file for a CRM from its schema and a sample of its records."""
