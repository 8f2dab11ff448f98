"""Video that cannot be read, decoded or used."""

from hermes_ray.errors.base import HermesError


class MediaError(HermesError):
    """A frame or a video segment cannot be used."""

    code = "media"


class UnsupportedMedia(MediaError):
    """The content type is none that this package decodes."""

    code = "unsupported-media"


class UndecodableMedia(MediaError):
    """The bytes are damaged, truncated, or not of the type they claim."""

    code = "undecodable-media"


class MediaTooLarge(MediaError):
    """Size, resolution, duration or frame count is beyond its limit."""

    code = "media-too-large"


class SourceError(HermesError):
    """A video source cannot be opened or has stopped for good."""

    code = "source"
