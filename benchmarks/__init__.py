"""Measurements against what one would use instead. Run by ``make bench``; see docs/reference/benchmarks.md."""
