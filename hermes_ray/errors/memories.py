"""Memories, their pictures and their snapshots."""

from hermes_ray.errors.base import HermesError


class PictureError(HermesError):
    """A frame cannot be shown."""

    code = "picture"


class UnknownFrame(PictureError):
    """The stream has no frame of that number yet."""

    code = "unknown-frame"


class FrameGone(PictureError):
    """There is no picture of that frame: the memory has forgotten it, it made room for others, or none are kept."""

    code = "frame-gone"


class SnapshotError(HermesError):
    """A snapshot is damaged, foreign, or of a version that this release does not read."""

    code = "snapshot"


class InvalidMemory(HermesError):
    """What was handed in is no memory, or none that this system can go on with."""

    code = "invalid-memory"


class StreamExists(HermesError):
    """The stream has a memory already, which would be lost."""

    code = "stream-exists"
