"""Reports and briefs that people read outside the warehouse, built from sections."""
