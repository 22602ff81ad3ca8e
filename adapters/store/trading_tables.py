"""The tables of orders, positions, live bars and what workers share beside them. As in tables.py, times are wall times
(Unix seconds) unless a column says otherwise; amounts are decimal text, which no database rounds."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from adapters.store.tables import METADATA

orders = Table(
    "orders",
    METADATA,
    Column("client_order_id", Text, primary_key=True),
    Column("decision_id", Text, nullable=False, unique=True),
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("reference_price", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("reduces", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("working", Boolean, nullable=False),  # of the state: it counts as if it were filled
    Column("reason", Text),
    Column("created_at", Double, nullable=False),
    # It leaves until then or never: on the monotonic clock of the boot, elsewhere on the wall clock.
    Column("boot", Text, nullable=False),
    Column("deadline_monotonic", Double, nullable=False),
    Column("deadline_at", Double, nullable=False),
    Column("epoch", Integer, nullable=False),  # grows with every sender; only the last one may say what became of it
    Column("owner", Text),
    Column("lease_boot", Text),
    Column("lease_monotonic", Double),
    Column("lease_at", Double),
    Column("sent_at", Double),
    Column("checked_at", Double),  # the venue was last asked about it
    Column("venue", Text, nullable=False),
    Column("venue_order_id", Text),
    Column("filled_quantity", Text, nullable=False),
    Column("average_price", Text),
    Column("fee", Text),  # of all that is filled; null: the venue has not told it
    Column("told_fee", Text, nullable=False),
    Column("ended_at", Double),
    # Null in rows older than these columns; the last three also for what a stop made.
    Column("market_at", Double),  # market time of the decision
    Column("experiment", Text),
    Column("experiment_run", Integer),
    Column("experiment_version", Integer),  # number of the last event of its log that the decision knew
    Index("orders_working", "working", "state"),
    Index("orders_user", "user_id", "created_at"),
    Index("orders_created", "created_at"),
)

# Every change of an order, and every command on trading as a whole: written once, never changed.
order_events = Table(
    "order_events",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("client_order_id", Text),  # null: trading as a whole
    Column("at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON
    Index("order_events_order", "client_order_id", "seq"),
)

# The ledger: one row a fill. `arm` is the one that opened what this fill changes: the profit is its own.
fills = Table(
    "fills",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("client_order_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("price", Text, nullable=False),
    Column("fee", Text),  # null until the venue tells it
    Column("realized", Text, nullable=False),  # before fees
    Column("at", Double, nullable=False),
    # Null in rows older than these columns.
    Column("ordered_at", Double),  # its order was made
    Column("market_at", Double),  # market time of the order's decision
    Column("held", Text),  # base units after this fill
    Index("fills_user", "user_id", "at"),
    Index("fills_order", "client_order_id"),
)

# The fold of the fills, changed in their transaction.
positions = Table(
    "positions",
    METADATA,
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("average_cost", Text, nullable=False),  # quote currency a unit, 0 when flat
    Column("arm", Text),  # that opened it; null when flat
    Column("opened_at", Double),
    Column("changed_at", Double, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("user_id", "symbol", "mode"),
    Index("positions_version", "version"),
)

profits = Table(
    "profits",
    METADATA,
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("day", Text, nullable=False),  # 2026-01-31, UTC
    Column("realized", Text, nullable=False),
    Column("fees", Text, nullable=False),  # those that were told
    Column("untold_value", Text, nullable=False),  # quote currency, traded without a fee being told
    Column("fills", BigInteger, nullable=False),
    PrimaryKeyConstraint("user_id", "symbol", "mode", "arm", "day"),
)

# The paper venue's own book: what it was sent, by client order id, and how far it filled it.
paper_orders = Table(
    "paper_orders",
    METADATA,
    Column("client_order_id", Text, primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("filled_quantity", Text, nullable=False),
    Column("average_price", Text),
    Column("fee", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("bar_close", BigInteger),  # market time of the bar that filled it last
    Column("placed_at", Double, nullable=False),
)

# Who does what only one of all workers may do, for how long; another boot reads the wall clock.
leases = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("boot", Text, nullable=False),
    Column("until_monotonic", Double, nullable=False),
    Column("until_at", Double, nullable=False),
)

# Calls to a service that takes only so many, from all workers.
calls = Table(
    "calls",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("calls_name", "name", "at"),
)

# Closed bars of the live market, as one poller wrote them for all.
bars = Table(
    "bars",
    METADATA,
    Column("symbol", Text, nullable=False),
    Column("timeframe", Integer, nullable=False),  # seconds
    Column("open_time", BigInteger, nullable=False),
    Column("open", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("close", Double, nullable=False),
    Column("volume_base", Double, nullable=False),
    Column("volume_quote", Double, nullable=False),
    Column("written_at", Double, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe", "open_time"),
)

# Which bars an agent that acts has decided on: one row each, whoever did it.
agent_bars = Table(
    "agent_bars",
    METADATA,
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("bar_close", BigInteger, nullable=False),  # market time
    Column("state", Text, nullable=False),  # taken, done or missed
    Column("decision_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("lease_boot", Text, nullable=False),
    Column("lease_monotonic", Double, nullable=False),
    Column("lease_at", Double, nullable=False),
    Column("taken_at", Double, nullable=False),
    PrimaryKeyConstraint("user_id", "symbol", "bar_close"),
    Index("agent_bars_time", "taken_at"),
    Index("agent_bars_close", "bar_close"),
)

# The thresholds of the AdaptiveThreshold service as they were last told.
thresholds = Table(
    "thresholds",
    METADATA,
    Column("user_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON
    Column("as_of", Double, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("user_id", "symbol"),
    Index("thresholds_version", "version"),
)
