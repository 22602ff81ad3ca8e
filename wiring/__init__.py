"""The plugs: from settings to objects; joins ports to implementers, alone. `python -m wiring` has the commands."""
