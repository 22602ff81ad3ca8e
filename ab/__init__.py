"""The experiment: who gets which policy. Pure; may import `trading`, never `rl_models` or `adapters`."""
