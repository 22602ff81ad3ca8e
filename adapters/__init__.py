"""The outside: market data, metrics, model store. May import `trading`, never `rl_models` or `ab`."""
