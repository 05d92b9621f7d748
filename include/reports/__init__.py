"""What people read away from the warehouse: pages and briefs, made of sections."""
