"""A sandbox Salesforce: the same customers in another CRM's API, with its limits, errors and quirks."""
