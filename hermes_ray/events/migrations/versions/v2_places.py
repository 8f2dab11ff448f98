"""A secret that seals places, and sizes that count every column."""

from secrets import token_bytes

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

_SECRET_BYTES = 32
_SQLITE_SIZES = """
    UPDATE events
    SET size = size + length(CAST(model AS BLOB)) + length(CAST(log AS BLOB)) + length(CAST(words AS BLOB))
"""
_POSTGRESQL_SIZES = """
    UPDATE events
    SET size = size + 256 + octet_length(model) + octet_length(log) + 2 * octet_length(words) + coalesce((
        SELECT sum((length(jpeg) + 1995) / 1996 * 2048 - length(jpeg))
        FROM thumbnails
        WHERE event = sequence AND length(jpeg) > 1996
    ), 0)
"""


def upgrade() -> None:
    """Add what is new, and count what is there already anew."""
    op.add_column("identity", sa.Column("secret", sa.LargeBinary))
    identity = sa.table("identity", sa.column("secret", sa.LargeBinary))
    op.execute(identity.update().values(secret=token_bytes(_SECRET_BYTES)))
    op.execute(_SQLITE_SIZES if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL_SIZES)
