"""In which run an order was decided, when an order was made that filled, and the bars of agents by their close."""

import sqlalchemy as sa
from alembic import op

revision = "c41f09e8d2a7"
down_revision = "7b2c90d4e6af"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. What is not known of the rows that are there stays null."""
    op.add_column("orders", sa.Column("experiment_run", sa.Integer(), nullable=True))
    op.add_column("fills", sa.Column("ordered_at", sa.Double(), nullable=True))
    op.create_index("agent_bars_close", "agent_bars", ["bar_close"])


def downgrade() -> None:
    """Back."""
    op.drop_index("agent_bars_close", table_name="agent_bars")
    op.drop_column("fills", "ordered_at")
    op.drop_column("orders", "experiment_run")
