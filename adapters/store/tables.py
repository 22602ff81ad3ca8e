"""Every table of the store. Times are wall times (Unix seconds) unless a column says otherwise."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

METADATA = MetaData()

# Grows by one with every change to what workers hold in memory: rows of `agents` and `choices` carry the version that
# made them so, and a worker that knows version n reads what is above n.
snapshot_version = Table(
    "snapshot_version",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

agents = Table(
    "agents",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("config", Text, nullable=False),  # JSON
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("agents_version", "version"),
)

# Counted in the transaction that journals the decisions, apart from `agents`: a count is no change of an agent. `since`
# is when the agent that is counted was created: one that starts again after it was stopped counts anew.
agent_activity = Table(
    "agent_activity",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("since", Double, nullable=False),
    Column("predictions", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("last_activity", Double, nullable=False),
)

# What commands and endpoints choose while the service runs, one JSON value a name: the active model, for instance.
choices = Table(
    "choices",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("choices_version", "version"),
)

# Made up at the first start, never shown: decision ids of keyed requests are made with one.
secrets = Table(
    "secrets",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

market_clocks = Table(
    "market_clocks",
    METADATA,
    Column("digest", Text, primary_key=True),  # that of the clock's terms
    Column("terms", Text, nullable=False),  # JSON
    Column("epoch_wall", Double, nullable=False),
    Column("start_market", Double, nullable=False),
    Column("speed", Double, nullable=False),
)

# What many decisions share: limits, experiment, exposures. A decision names them by digest.
terms = Table(
    "terms",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("document", Text, nullable=False),  # JSON
)

feature_schemas = Table(
    "feature_schemas",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("names", Text, nullable=False),  # JSON list, in the order of the observation
)

decisions = Table(
    "decisions",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("decided_at", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("assigned_arm", Text, nullable=False),
    Column("served_arm", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("should_trade", Boolean, nullable=False),
    Column("failed", Boolean, nullable=False),  # the assigned arm did not answer
    Column("terms", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON: the whole decision, see records.py
    # Both hold what decisions are looked for by: a search reads no row that it does not return.
    Index("decisions_user", "user_id", "decided_at", "seq", "symbol", "served_arm"),
    Index("decisions_time", "decided_at", "seq", "symbol", "served_arm"),
)

# What is left of a decision once its row is older than the journal keeps.
decision_days = Table(
    "decision_days",
    METADATA,
    Column("day", Text, nullable=False),  # 2026-01-31, UTC
    Column("symbol", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("assigned_arm", Text, nullable=False),
    Column("served_arm", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("should_trade", Boolean, nullable=False),
    Column("decisions", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "day", "symbol", "model", "model_version", "assigned_arm", "served_arm", "action", "should_trade"
    ),
)

# Asynchronous predictions. Deadlines and leases run on the monotonic clock of the boot in `boot`; where another boot
# reads them, on the wall clock.
jobs = Table(
    "jobs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("rank", Double, nullable=False),  # the smallest goes first
    Column("status", Text, nullable=False),
    Column("request", Text, nullable=False),  # JSON
    Column("accepted_at", Double, nullable=False),
    Column("deadline_at", Double, nullable=False),
    Column("boot", Text, nullable=False),
    Column("deadline_monotonic", Double, nullable=False),
    Column("epoch", Integer, nullable=False),  # grows with every take; only the last taker may finish
    Column("owner", Text),
    Column("lease_boot", Text),
    Column("lease_monotonic", Double),
    Column("lease_at", Double),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("answer", Text),  # JSON: what the result route answers, for good
    Index("jobs_status", "status", "rank"),
    Index("jobs_finished", "finished_at"),
)

# Answers to requests with an idempotency key.
answers = Table(
    "answers",
    METADATA,
    Column("user_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),  # SHA-256 of the request without its key
    Column("epoch", Integer, nullable=False),
    Column("lease_boot", Text),
    Column("lease_monotonic", Double),
    Column("lease_at", Double),
    Column("answer", Text),  # JSON; null while the first request runs
    Column("created_at", Double, nullable=False),
    PrimaryKeyConstraint("user_id", "operation", "key"),
    Index("answers_created", "created_at"),
)
