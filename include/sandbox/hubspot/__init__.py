"""A sandbox HubSpot: the CRM's API with limits, errors and quirks."""
