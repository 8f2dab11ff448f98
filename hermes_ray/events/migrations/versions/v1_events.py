"""The first tables."""

from secrets import token_hex

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_SQLITE_SEARCH = (
    # External content: the words are kept once, in the table of events (SQLite, FTS5, section 4.4.3).
    """CREATE VIRTUAL TABLE event_words USING fts5(
        words, content='events', content_rowid='sequence', tokenize='porter unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER events_found AFTER INSERT ON events BEGIN
        INSERT INTO event_words(rowid, words) VALUES (new.sequence, new.words);
    END""",
    """CREATE TRIGGER events_lost AFTER DELETE ON events BEGIN
        INSERT INTO event_words(event_words, rowid, words) VALUES ('delete', old.sequence, old.words);
    END""",
)
_POSTGRESQL_SEARCH = (
    "ALTER TABLE events ADD COLUMN found tsvector GENERATED ALWAYS AS (to_tsvector('english', words)) STORED",
    "CREATE INDEX events_by_words ON events USING gin (found)",
)


def _of_an_event() -> sa.ForeignKey:
    return sa.ForeignKey("events.sequence", ondelete="CASCADE")


def upgrade() -> None:
    """Make the tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    identity = op.create_table("identity", sa.Column("database", sa.String(16), primary_key=True))
    op.create_table(
        "streams",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(128), nullable=False, unique=True),
    )
    op.create_table(
        "events",
        sa.Column("sequence", number, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("stream", number, sa.ForeignKey("streams.number"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("probability", sa.Float),
        sa.Column("frame", sa.BigInteger, nullable=False),
        sa.Column("captured_ms", sa.BigInteger, nullable=False),
        sa.Column("since_ms", sa.BigInteger),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("stored_ms", sa.BigInteger, nullable=False),
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_stream", "events", ["stream", "captured_ms", "sequence"])
    op.create_index("events_by_time", "events", ["captured_ms", "sequence"])
    op.create_index("events_by_storing", "events", ["stored_ms", "size"])  # bytes are summed over it
    op.create_table(
        "thumbnails",
        sa.Column("event", number, _of_an_event(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "positions",
        sa.Column("log", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("stream", sa.String(128), primary_key=True),
        sa.Column("log", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("below", sa.BigInteger, nullable=False),
        sa.Column("erased_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "targets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "failed_deliveries",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("event", number, _of_an_event(), primary_key=True, autoincrement=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("failed_ms", sa.BigInteger, nullable=False),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE_SEARCH if sqlite else _POSTGRESQL_SEARCH:
        op.execute(statement)
    op.bulk_insert(identity, [{"database": token_hex(4)}])
