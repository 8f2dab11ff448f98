"""A snapshot without a memory: what stands in the store for a stream that was reset, and keeps the old memory out.

Bytes of JSON: where the stream goes on, and a checksum of that. No safetensors file begins like it.
"""

import hashlib
import json

from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.errors import SnapshotError

_BEGINNING = b'{"format": "hermes-ray-empty-memory", "version": 1, '


def dump_empty(cursor: StreamCursor) -> bytes:
    """The snapshot of a stream that has no memory and goes on behind ``cursor``."""
    text = json.dumps(cursor.to_json())
    rest = json.dumps({"checksum": _checksum(text), "cursor": text})
    return _BEGINNING + rest.removeprefix("{").encode()


def is_empty(data: bytes) -> bool:
    """Whether these bytes were made by :func:`dump_empty`."""
    return data.startswith(_BEGINNING)


def load_empty(data: bytes) -> StreamCursor:
    """Where the stream goes on.

    Raises:
        SnapshotError: the bytes are damaged.
    """
    try:
        value = json.loads(data)
        if value["checksum"] != _checksum(value["cursor"]):
            raise SnapshotError("the empty memory's checksum is wrong: it is damaged")
        return StreamCursor.from_json(json.loads(value["cursor"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"the empty memory is damaged ({error!r})") from error


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
