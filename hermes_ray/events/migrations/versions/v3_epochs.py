"""Under which epoch of its stream each event was published, up to which each erasure reaches, and what it tells."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Add what is new; of what is there nobody knows it."""
    for table in ("events", "erasures"):
        op.add_column(table, sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "farewells",
        sa.Column(
            "event",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.ForeignKey("events.sequence", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
    )
