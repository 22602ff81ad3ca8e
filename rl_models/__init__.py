"""The advisers: features, policies, the rule, and (with the `train` extra) training and import.

May import `trading`, never `ab` or `adapters`.
"""
