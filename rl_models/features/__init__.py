"""Features: one table, one schema and one stream, with which training, batch and serving all build observations.

May import `trading`; imported by everything else in `rl_models`.
"""
