"""A sandbox HubSpot: the CRM's API with its limits, errors and oddities."""
