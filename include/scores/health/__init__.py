"""The health score: computed by ``marts.health_score``, explained here by the same definition."""
