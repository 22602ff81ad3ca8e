"""When, on the market's clock, an order was decided, and under which experiment; what was held after each fill."""

import sqlalchemy as sa
from alembic import op

revision = "7b2c90d4e6af"
down_revision = "d011281356e1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. What is not known of the rows that are there stays null."""
    op.add_column("orders", sa.Column("market_at", sa.Double(), nullable=True))
    op.add_column("orders", sa.Column("experiment", sa.Text(), nullable=True))
    op.add_column("orders", sa.Column("experiment_version", sa.Integer(), nullable=True))
    op.add_column("fills", sa.Column("market_at", sa.Double(), nullable=True))
    op.add_column("fills", sa.Column("held", sa.Text(), nullable=True))


def downgrade() -> None:
    """Back."""
    op.drop_column("fills", "held")
    op.drop_column("fills", "market_at")
    op.drop_column("orders", "experiment_version")
    op.drop_column("orders", "experiment")
    op.drop_column("orders", "market_at")
