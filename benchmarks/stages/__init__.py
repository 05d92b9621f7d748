"""A stage is a module here with ``run(size) -> list[Row]``; ``size`` is ``small`` (a trial) or ``full``.

It takes what it needs from ``benchmarks.services`` (PostgreSQL, the sandbox, other tools in environments of their own),
runs each contestant in a process of its own by ``benchmarks.measure``, in turns, and says in its rows what was
measured, for how many rows and how often. What is compared with what, and which ratio is wanted, stands in the rows
too (``Row.against``, ``Row.wanted``).
"""
