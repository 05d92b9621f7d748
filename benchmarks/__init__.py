"""Benchmarks against alternative tools. Run by ``make bench``; see docs/reference/benchmarks.md."""
