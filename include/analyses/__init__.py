"""Analyses: questions about all customers, each with its evidence and the action that it feeds.

One module each. ``strata`` has the statistics that they share; those of experiments and scores are in
``include.experiments.statistics`` and ``include.scores.statistics``.
"""
