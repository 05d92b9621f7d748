"""The health score. ``marts.health_score`` computes it; this package explains it from the same definition."""
