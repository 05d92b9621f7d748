"""A stage is a module here with ``run(size) -> list[Row]``; ``size`` is ``small`` (a trial) or ``full``.

A stage gets PostgreSQL, the sandbox and other tools from ``benchmarks.services``. It runs each contestant in its own
process with ``benchmarks.measure``, in turns. Its rows say what was measured, for how many rows and how often. They
also name the comparison and the target ratio (``Row.against``, ``Row.wanted``).
"""
