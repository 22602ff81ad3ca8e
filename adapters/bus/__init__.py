"""Messages between the workers of one machine and between replicas: implementers of trading.ports.Bus, for wiring."""
