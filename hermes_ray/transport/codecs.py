"""How producers compress batches, what the Kafka client needs to read them, and the remedy where it cannot."""

import zlib
from contextlib import suppress
from gzip import BadGzipFile
from importlib import import_module
from traceback import walk_tb

from kafka import codec as kafka_codec
from kafka.errors import UnsupportedCodecError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch

_NAMES = {
    DefaultRecordBatch.CODEC_GZIP: "gzip",
    DefaultRecordBatch.CODEC_SNAPPY: "snappy",
    DefaultRecordBatch.CODEC_LZ4: "lz4",
    DefaultRecordBatch.CODEC_ZSTD: "zstd",
}
CODECS = tuple(_NAMES.values())
"""What a producer may compress with (KIP-110 has the last of them), in Kafka's words."""

_PACKAGES = {"snappy": "python-snappy", "lz4": "lz4", "zstd": "zstandard"}
"""gzip is part of Python."""


def missing_codecs() -> dict[str, str]:
    """The codecs that cannot be read here, each with the package to install for it."""
    readable = {"snappy": kafka_codec.has_snappy(), "lz4": kafka_codec.has_lz4(), "zstd": kafka_codec.has_zstd()}
    return {codec: _PACKAGES[codec] for codec, can in readable.items() if not can}


def decompression_failures() -> tuple[type[Exception], ...]:
    """What the codecs raise for bytes that they cannot take apart: they have no class in common."""
    found: list[type[Exception]] = [BadGzipFile, EOFError, zlib.error, RuntimeError]  # the last is lz4's
    for module, name in (("snappy", "UncompressError"), ("zstandard", "ZstdError")):
        with suppress(ImportError):  # without its package, the client says so with an error of its own
            found.append(getattr(import_module(module), name))
    return tuple(found)


def codec_of_failed_batch(error: BaseException) -> str | None:
    """The codec of the batch in which the Kafka client stumbled; ``None``: no batch, or not compressed.

    The client's errors do not say; the batch is where the error comes from.
    """
    for frame, _ in walk_tb(error.__traceback__):
        batch = frame.f_locals.get("self")
        if isinstance(batch, DefaultRecordBatch | LegacyRecordBatch):
            return _NAMES.get(batch.compression_type)
    return None


def remedy(error: BaseException, codec: str) -> str:
    """What to do about a batch of that codec that raised that error."""
    if isinstance(error, UnsupportedCodecError) and codec in _PACKAGES:
        return install(_PACKAGES[codec])
    return f"if its producer's {codec} is at fault, let it send without compression"


def install(package: str) -> str:
    """The remedy for a package that is missing."""
    return f"pip install {package} on every node, or set compression.type of the topic to uncompressed"
