"""Batched forward passes over the slab, scheduling, sampling, and the ``StreamEngine`` front."""

from hermes_ray.engine.contracts import Answer, AnswerToken, EngineStats, Question, StreamStats
from hermes_ray.engine.engine import AnswerStream, StreamEngine

__all__ = ["Answer", "AnswerStream", "AnswerToken", "EngineStats", "Question", "StreamEngine", "StreamStats"]
