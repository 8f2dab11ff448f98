"""The tables of the events' database, as queries use them. The migrations beside make them; a test compares the two.

What finds words differs by database and is not here: an FTS5 table with triggers (SQLite), a generated tsvector
(PostgreSQL).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts up only what is declared INTEGER."""

IDENTITY = Table(
    "identity",
    METADATA,
    Column("database", String(16), primary_key=True),
    Column("secret", LargeBinary),  # seals places, see places.py
)
"""One row. Tells a database from another that was made later; writers lock it, one after the other."""

STREAMS = Table(
    "streams",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(128), nullable=False, unique=True),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=True),  # in the order of storing; never used again
    Column("id", String(64), nullable=False, unique=True),
    Column("stream", _NUMBER, ForeignKey("streams.number"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("rule", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("probability", Float),
    Column("frame", BigInteger, nullable=False),
    Column("captured_ms", BigInteger, nullable=False),
    Column("since_ms", BigInteger),
    Column("evidence", Text, nullable=False),  # JSON, without the pictures
    Column("model", Text, nullable=False),
    Column("words", Text, nullable=False),  # what a search looks through
    Column("size", BigInteger, nullable=False),  # bytes, pictures included
    Column("stored_ms", BigInteger, nullable=False),
    # Where in Kafka it came from.
    Column("log", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False, server_default="0"),  # of its stream; 0 where nobody said
    Index("events_by_stream", "stream", "captured_ms", "sequence"),
    Index("events_by_time", "captured_ms", "sequence"),
    Index("events_by_storing", "stored_ms", "size"),
    sqlite_autoincrement=True,
)

THUMBNAILS = Table(
    "thumbnails",
    METADATA,
    Column("event", _NUMBER, ForeignKey("events.sequence", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),  # in the event's evidence
    Column("jpeg", LargeBinary, nullable=False),
)

POSITIONS = Table(
    "positions",
    METADATA,
    Column("log", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
)
"""Up to where each partition of each topic is in the tables."""

ERASURES = Table(
    "erasures",
    METADATA,
    Column("stream", String(128), primary_key=True),
    Column("log", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("below", BigInteger, nullable=False),
    Column("erased_ms", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False, server_default="0"),  # up to which; 0 where nobody said
)
"""Records of erased streams that never count again."""

FAREWELLS = Table(
    "farewells",
    METADATA,
    Column("event", _NUMBER, ForeignKey("events.sequence", ondelete="CASCADE"), primary_key=True, autoincrement=False),
)
"""Events that end the matches of erased streams. They are told, found by nobody who searches, and gone a day later."""

TARGETS = Table(
    "targets",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
"""How far each target of deliveries is."""

FAILED_DELIVERIES = Table(
    "failed_deliveries",
    METADATA,
    Column("target", Text, primary_key=True),
    Column("event", _NUMBER, ForeignKey("events.sequence", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("failed_ms", BigInteger, nullable=False),
)
"""Deliveries that were given up."""
