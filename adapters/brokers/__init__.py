"""The venues orders go to, each a trading.ports.Broker; wiring picks one from the catalogue."""
