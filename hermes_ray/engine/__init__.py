"""Batched forward passes over the slab, scheduling, sampling, and the ``StreamEngine`` front."""

from typing import TYPE_CHECKING, Any

from hermes_ray.engine.contracts import Answer, AnswerToken, EngineStats, Question, StreamStats

if TYPE_CHECKING:
    from hermes_ray.engine.answer_stream import AnswerStream
    from hermes_ray.engine.engine import StreamEngine

__all__ = ["Answer", "AnswerStream", "AnswerToken", "EngineStats", "Question", "StreamEngine", "StreamStats"]


def __getattr__(name: str) -> Any:
    # torch and transformers take seconds and hundreds of megabytes; processes that need only the contracts
    # (router, Coordinator, ingest, command line) must not pay for them.
    if name in ("AnswerStream", "StreamEngine"):
        from hermes_ray.engine import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
