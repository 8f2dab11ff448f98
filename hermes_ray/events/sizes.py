"""How many bytes of a database an event takes: what ``events.max_bytes`` is about. Measured: see the tests."""

import sqlalchemy as sa

from hermes_ray.transport.event import Event

_ROW_BYTES = {"sqlite": 256, "postgresql": 512}
"""Of an event without its texts: its row, its id, its places in indexes."""
_COPIES_OF_WORDS = {"sqlite": 2, "postgresql": 3}
"""One in the table; what finds them takes about as much, of PostgreSQL twice."""
_PIECE_BYTES, _PIECE_TAKES = 1996, 2048
"""PostgreSQL cuts what is larger into such pieces, four of which fill a page (TOAST)."""


def event_bytes(event: Event, words: str, evidence: str, log: str, *, sqlite: bool) -> int:
    """Of an event without its pictures.

    Args:
        event: which.
        words: what a search looks through.
        evidence: as it is kept.
        log: the topic that it came from.
        sqlite: the database is one of SQLite.
    """
    kind = "sqlite" if sqlite else "postgresql"
    copies = (words,) * _COPIES_OF_WORDS[kind]
    texts = (event.rule, event.question, event.answer, event.model, evidence, log, *copies)
    return _ROW_BYTES[kind] + sum(len(text.encode()) for text in texts)


def picture_bytes(length: int, *, sqlite: bool) -> int:
    """Of a picture of so many bytes."""
    return length if sqlite or length <= _PIECE_BYTES else -(-length // _PIECE_BYTES) * _PIECE_TAKES


def picture_bytes_of(jpeg: sa.ColumnElement[bytes], *, sqlite: bool) -> sa.ColumnElement[int]:
    """The same of a column of pictures."""
    length = sa.func.length(jpeg)
    if sqlite:
        return length
    pieces = (length + (_PIECE_BYTES - 1)) // _PIECE_BYTES
    return sa.case((length <= _PIECE_BYTES, length), else_=pieces * _PIECE_TAKES)
