"""What stands in a row of the journal beside the document: in this order in a batch, by its type in PostgreSQL."""

COLUMNS = {
    "id": "text",
    "user_id": "text",
    "symbol": "text",
    "decided_at": "double precision",
    "model": "text",
    "model_version": "text",
    "assigned_arm": "text",
    "served_arm": "text",
    "action": "text",
    "should_trade": "boolean",
    "failed": "boolean",
    "terms": "text",
}
# Behind them: where the row's document begins and how long it is, then its exposure.
FIRST, LONG, EXPOSURE = len(COLUMNS), len(COLUMNS) + 1, len(COLUMNS) + 2
