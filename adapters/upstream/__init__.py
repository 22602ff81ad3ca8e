"""HTTP to the services beside us: one client, its breakers and tokens, what answers mean. Adapters build on it."""
