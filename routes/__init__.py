"""The door of the wire: limits, JSON, one error shape, and the routes that are no BentoML API methods."""
