"""Privacy: erasure on request, from every store."""
