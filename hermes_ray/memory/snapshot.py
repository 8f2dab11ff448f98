"""A stream's memory as bytes: one safetensors file with versioned, checksummed metadata.

Keys are stored before the rotary embedding, so a snapshot restores into any slot of any engine that runs the same
model. The prefix is not in it: it follows from the model. The file's header holds three metadata entries:

* ``format``: ``hermes-ray-memory``, and ``version``: the number of this layout.
* ``memory``: JSON, everything of :class:`Snapshot` that is not a tensor, and the model's fingerprint.
  Tensors that are attached have names that begin with ``attached.``.
* ``checksum``: SHA-256 of the whole file with the checksum's own 64 digits as zeros.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hermes_ray.errors import SnapshotError
from hermes_ray.memory.view import MemoryView

FORMAT = "hermes-ray-memory"
VERSION = 1

_TENSORS = tuple(f.name for f in fields(MemoryView))
_ATTACHED = "attached."
_LENGTH_BYTES = 8
_BLANK = "0" * 64
_CHECKSUM = re.compile(rb'"checksum":"([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a stream's memory needs to go on elsewhere as if nothing had happened.

    Attributes:
        view: the visual tokens; on the CPU when loaded.
        policy: name of the memory policy that made it.
        budget_tokens: the budget it was compacted to.
        next_frame: the stream-wide number of the next frame.
        extra: a small JSON object of the caller's, such as offsets and the owner's epoch.
        attached: tensors of the caller's, by name; on the CPU when loaded.
    """

    view: MemoryView
    policy: str
    budget_tokens: int
    next_frame: int
    extra: Mapping[str, Any] = field(default_factory=dict)
    attached: Mapping[str, Tensor] = field(default_factory=dict)


def dump(snapshot: Snapshot, fingerprint: str) -> bytes:
    """Write a snapshot.

    Args:
        snapshot: the memory, on any device.
        fingerprint: identifies the model, its weights, the cache's dtype and the form of its keys; :func:`load`
            compares it.

    Raises:
        TypeError: ``extra`` holds something that JSON does not.
    """
    described = {
        "fingerprint": fingerprint,
        "policy": snapshot.policy,
        "budget_tokens": snapshot.budget_tokens,
        "next_frame": snapshot.next_frame,
        "extra": dict(snapshot.extra),
    }
    metadata = {"format": FORMAT, "version": str(VERSION), "memory": json.dumps(described), "checksum": _BLANK}
    tensors = {name: _packed(getattr(snapshot.view, name)) for name in _TENSORS}
    attached = {_ATTACHED + name: _packed(tensor) for name, tensor in snapshot.attached.items()}
    data = safetensors.torch.save(tensors | attached, metadata)
    start, stop = _checksum_place(data)
    return b"".join((data[:start], _digest(data, start, stop).encode(), data[stop:]))


def load(data: bytes, fingerprint: str) -> Snapshot:
    """Read a snapshot, or refuse it.

    Args:
        data: what :func:`dump` returned.
        fingerprint: of the model that is to go on with the memory.

    Raises:
        SnapshotError: the bytes are no snapshot, truncated, damaged, of a version that this release does not
            read, or made with another model.
    """
    metadata = _metadata(data)
    _check_version(metadata)
    start, stop = _checksum_place(data)
    if _digest(data, start, stop).encode() != data[start:stop]:
        raise SnapshotError("snapshot is damaged or truncated: its checksum does not match its contents")
    described = json.loads(metadata["memory"])
    if described.pop("fingerprint") != fingerprint:
        raise SnapshotError("snapshot was made with another model, other weights, another dtype or other memory.keys")
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise SnapshotError(f"snapshot's tensors cannot be read: {error}") from error
    view = MemoryView(**{name: tensors.pop(name) for name in _TENSORS})
    return Snapshot(view=view, attached={n.removeprefix(_ATTACHED): t for n, t in tensors.items()}, **described)


def _packed(tensor: Tensor) -> Tensor:
    """A compact copy on the CPU: a view may be a few slices of a large slab."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _header(data: bytes) -> bytes:
    """The JSON header of a safetensors file: eight bytes of length (little endian) stand before it."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < _LENGTH_BYTES or length > len(data) - _LENGTH_BYTES:
        raise SnapshotError("not a snapshot, or truncated within its header")
    return data[_LENGTH_BYTES : _LENGTH_BYTES + length]


def _metadata(data: bytes) -> dict[str, Any]:
    try:
        header = json.loads(_header(data))
    except ValueError as error:
        raise SnapshotError("not a snapshot, or its header is damaged") from error
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise SnapshotError("not a snapshot of a hermes-ray memory")
    return metadata


def _check_version(metadata: dict[str, Any]) -> None:
    version = metadata.get("version")
    if version != str(VERSION):
        raise SnapshotError(f"snapshot has version {version}; this release reads version {VERSION}")


def _checksum_place(data: bytes) -> tuple[int, int]:
    """Where the checksum's digits stand. Quotes inside ``memory`` are escaped, so nothing there can look like it."""
    match = _CHECKSUM.search(_header(data))
    if match is None:
        raise SnapshotError("snapshot is damaged: it has no checksum")
    return _LENGTH_BYTES + match.start(1), _LENGTH_BYTES + match.end(1)


def _digest(data: bytes, start: int, stop: int) -> str:
    digest = hashlib.sha256(memoryview(data)[:start])
    digest.update(_BLANK.encode())
    digest.update(memoryview(data)[stop:])
    return digest.hexdigest()
