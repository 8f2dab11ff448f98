"""Bytes to frames and back, with PyAV."""

from hermes_ray.video.codec.decode import CONTENT_TYPES, DEFAULT_FPS, decode
from hermes_ray.video.codec.encode import SegmentEncoder, encode_jpeg, encode_png
from hermes_ray.video.codec.limits import DecodeLimits
from hermes_ray.video.codec.pictures import Decoding
from hermes_ray.video.codec.resize import resize, shrink

__all__ = [
    "CONTENT_TYPES",
    "DEFAULT_FPS",
    "DecodeLimits",
    "Decoding",
    "SegmentEncoder",
    "decode",
    "encode_jpeg",
    "encode_png",
    "resize",
    "shrink",
]
