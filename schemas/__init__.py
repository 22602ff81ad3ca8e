"""The wire: requests as pydantic models, answers as plain dictionaries, to and from our own words.

For `service`, `routes` and `wiring`. Of ours it imports `trading` alone.
"""
