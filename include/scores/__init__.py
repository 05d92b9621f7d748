"""Health scores, value scores and the renewal forecast: their explanations and their track records."""
