"""The DataAggregator service: bars and prices of the live market, as each of its versions tells them, for wiring."""
