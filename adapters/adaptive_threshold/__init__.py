"""The AdaptiveThreshold service as we ask it: thresholds of a user, and what its own rule says. Wiring imports it."""
