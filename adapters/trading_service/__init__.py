"""What TradingService says and does, version by version, in our own words; orders go through adapters/brokers."""
