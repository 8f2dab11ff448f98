"""Dead letters as a table for people and as JSON for programs."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from hermes_ray.transport.dead_letter_topic import StoredLetter


def letters_table(letters: Collection["StoredLetter"]) -> Table:
    """One row per letter."""
    table = Table(
        "letter", "written", "stream", "reason", "record", "kept / bytes", "message", box=None, pad_edge=False
    )
    for stored in letters:
        letter, record = stored.letter, stored.letter.record
        reason = letter.reason if stored.republished_from is None else f"{letter.reason}, again"
        cells = (
            str(stored.id),
            _format_time(stored.written_ms),
            stored.stream or "-",
            reason,
            f"{record.topic} {record.partition}:{record.offset}",
            "-" if letter.payload_bytes is None else f"{letter.kept_bytes} / {letter.payload_bytes}",
            " ".join(letter.message.split()),
        )
        table.add_row(*(escape(_printable(cell)) for cell in cells))
    return table


def _printable(text: str) -> str:
    """Foreign text without what could command a terminal."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def as_json_row(stored: "StoredLetter") -> dict[str, object]:
    """A letter's facts; of its record, all but the value and the headers."""
    letter, record = stored.letter, stored.letter.record
    return {
        "letter": str(stored.id),
        "written": _format_time(stored.written_ms),
        "stream": stored.stream,
        "reason": letter.reason,
        "message": letter.message,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "payload_bytes": letter.payload_bytes,
        "kept_bytes": letter.kept_bytes,
        "missing": list(letter.missing),
        "republished_from": stored.republished_from,
    }


def _format_time(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
