"""The tables of experiments, of who met which policy, and of what that earned. As in tables.py, times are wall times
(Unix seconds) unless a column says otherwise."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from adapters.store.tables import METADATA

# The audit: every command that was taken. Rows are only ever added.
experiment_events = Table(
    "experiment_events",
    METADATA,
    Column("experiment", Text, nullable=False),
    Column("number", Integer, nullable=False),  # from 1, without a gap
    Column("at", Double, nullable=False),
    Column("market_at", Double, nullable=False),  # market time
    Column("by", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: the whole event
    PrimaryKeyConstraint("experiment", "number"),
)

# The fold of the events, changed in their transaction. At most one is in force.
experiments = Table(
    "experiments",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("document", Text, nullable=False),  # JSON
    Column("in_force", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("experiments_version", "version"),
)

# The last decision for a user, symbol and bar in a run of an experiment.
exposures = Table(
    "exposures",
    METADATA,
    Column("experiment", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("bar_close", BigInteger, nullable=False),  # market time
    Column("decision_id", Text, nullable=False),
    Column("decided_at", Double, nullable=False),
    Column("market_at", Double, nullable=False),  # market time of the decision
    Column("assigned_arm", Text, nullable=False),
    Column("served_arm", Text, nullable=False),
    Column("reason", Text, nullable=False),  # of the served arm: a failure, or why that arm was asked
    Column("propensity", Double),  # null: not compared
    Column("stage", Text, nullable=False),
    Column("price", Double, nullable=False),  # close of the bar, quote currency
    Column("position_exposure", Double, nullable=False),
    Column("target_exposure", Double),  # null: keep what is held
    Column("executes", Boolean, nullable=False),
    Column("mode", Text),  # of the agent; null: the user has none
    Column("capital_usd", Double),  # what the agent traded with; null: not known
    Column("symbols", Integer),  # which the agent named, 0: all of the market; null: the user has none
    Column("shadow_arm", Text),
    Column("shadow_target", Double),  # null also where it keeps what is held
    Column("shadow_action", Text),
    PrimaryKeyConstraint("experiment", "run", "user_id", "symbol", "bar_close"),
    Index("exposures_time", "decided_at"),
)

# What one user's market day earned, as it was marked last.
outcomes = Table(
    "outcomes",
    METADATA,
    Column("experiment", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("day", Text, nullable=False),  # 2026-01-31, UTC, of the market
    Column("arm", Text, nullable=False),  # assigned at the first exposure
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),  # known, missing or late
    Column("net_bps", Double),  # null unless it is known, like the two below
    Column("fees_bps", Double),
    Column("turnover", Double),
    Column("capital_usd", Double),
    Column("marked_at", Double, nullable=False),
    PrimaryKeyConstraint("experiment", "run", "user_id", "day"),
    Index("outcomes_marked", "marked_at"),
)

# What callers told us of what a decision earned, once each.
reported_outcomes = Table(
    "reported_outcomes",
    METADATA,
    Column("decision_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("market_at", Double, nullable=False),  # market time of the decision
    Column("net_bps", Double),
    Column("net_usd", Double),
    Column("at", Double, nullable=False),
    Column("document", Text, nullable=False),  # JSON: as it was told
    Index("reported_outcomes_experiment", "experiment", "run", "user_id", "market_at"),
    Index("reported_outcomes_time", "at"),
)
