"""Many streams and their questions on one device. ``StreamEngine`` (``engine.py``) is the front, with its thread.

- ``encoding/``: ``waiting/`` frames and what a step takes of them, ``writing/`` them in batched passes, compaction, and
  ``snapshots/`` of what was written.
- ``answering/``: ``waiting/`` questions, ``tokens/`` of prompts and answers, and ``seats/``: private copies of memories
  with the batched passes that read on them.
- ``residency/``: which memories are in the slab, and where the others wait.
- ``attention/``: what both kinds of pass compute over the cache.
- ``graphs/``: what both need to be captured as CUDA graphs (``capturing.py``); their own parts are in
  ``encoding/graphs/`` and ``answering/graphs/``.
"""

from typing import TYPE_CHECKING, Any

from hermes_ray.engine.contracts import (
    Answer,
    AnswerToken,
    EngineStats,
    MemoryMap,
    Question,
    StreamStats,
    TierMap,
    UnknownWords,
)

if TYPE_CHECKING:
    from hermes_ray.engine.answering.answer_stream import AnswerStream
    from hermes_ray.engine.engine import StreamEngine

__all__ = [
    "Answer",
    "AnswerStream",
    "AnswerToken",
    "EngineStats",
    "MemoryMap",
    "Question",
    "StreamEngine",
    "StreamStats",
    "TierMap",
    "UnknownWords",
]


def __getattr__(name: str) -> Any:
    # torch and transformers take seconds and hundreds of megabytes; processes that need only the contracts
    # (router, Coordinator, ingest, command line) must not pay for them.
    if name in ("AnswerStream", "StreamEngine"):
        from hermes_ray.engine import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
