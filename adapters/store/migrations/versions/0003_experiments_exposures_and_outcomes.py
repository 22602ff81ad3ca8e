"""Experiments, exposures and outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "d011281356e1"
down_revision = "dd301f705fc4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    _create_experiments()
    _create_exposures()
    _create_outcomes()
    _create_reported_outcomes()


def downgrade() -> None:
    """Back."""
    op.drop_index("reported_outcomes_time", table_name="reported_outcomes")
    op.drop_index("reported_outcomes_experiment", table_name="reported_outcomes")
    op.drop_table("reported_outcomes")
    op.drop_index("outcomes_marked", table_name="outcomes")
    op.drop_table("outcomes")
    op.drop_index("exposures_time", table_name="exposures")
    op.drop_table("exposures")
    op.drop_index("experiments_version", table_name="experiments")
    op.drop_table("experiments")
    op.drop_table("experiment_events")


def _create_experiments() -> None:
    op.create_table(
        "experiment_events",
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("market_at", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "number"),
    )
    op.create_table(
        "experiments",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("experiments_version", "experiments", ["version"], unique=False)


def _create_exposures() -> None:
    op.create_table(
        "exposures",
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("bar_close", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Double(), nullable=False),
        sa.Column("market_at", sa.Double(), nullable=False),
        sa.Column("assigned_arm", sa.Text(), nullable=False),
        sa.Column("served_arm", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("propensity", sa.Double(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("price", sa.Double(), nullable=False),
        sa.Column("position_exposure", sa.Double(), nullable=False),
        sa.Column("target_exposure", sa.Double(), nullable=True),
        sa.Column("executes", sa.Boolean(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("capital_usd", sa.Double(), nullable=True),
        sa.Column("symbols", sa.Integer(), nullable=True),
        sa.Column("shadow_arm", sa.Text(), nullable=True),
        sa.Column("shadow_target", sa.Double(), nullable=True),
        sa.Column("shadow_action", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("experiment", "run", "user_id", "symbol", "bar_close"),
    )
    op.create_index("exposures_time", "exposures", ["decided_at"], unique=False)


def _create_outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("net_bps", sa.Double(), nullable=True),
        sa.Column("fees_bps", sa.Double(), nullable=True),
        sa.Column("turnover", sa.Double(), nullable=True),
        sa.Column("capital_usd", sa.Double(), nullable=True),
        sa.Column("marked_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "run", "user_id", "day"),
    )
    op.create_index("outcomes_marked", "outcomes", ["marked_at"], unique=False)


def _create_reported_outcomes() -> None:
    op.create_table(
        "reported_outcomes",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("market_at", sa.Double(), nullable=False),
        sa.Column("net_bps", sa.Double(), nullable=True),
        sa.Column("net_usd", sa.Double(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index(
        "reported_outcomes_experiment", "reported_outcomes", ["experiment", "run", "user_id", "market_at"], unique=False
    )
    op.create_index("reported_outcomes_time", "reported_outcomes", ["at"], unique=False)
