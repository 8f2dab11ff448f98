"""One question to several streams: what it says, and what became of it."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from hermes_ray.api.schemas.base import STREAM_ID, Schema
from hermes_ray.api.schemas.problem import Problem
from hermes_ray.api.schemas.questions import AnswerResponse, QueryRequest

MOST_STREAMS = 64
"""Streams that one request may ask."""

_ID_OR_PATTERN = rf"^{STREAM_ID}$|[*?\[]"


class StreamsQueryRequest(QueryRequest):
    """A question to several streams: the same to each, answered by each for itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"streams": ["front-door", "dock-*"], "question": "Is somebody there?"}]}
    )

    streams: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128, json_schema_extra={"pattern": _ID_OR_PATTERN})]],
        Field(min_length=1, max_length=256),
    ]
    """Ids of streams, or patterns: ``*`` stands for any characters, ``?`` for one, ``[ab]`` for one of these."""


class StreamResult(Schema):
    """What became of the question to one stream: either an answer or a problem."""

    stream: str
    """The stream, or the pattern that matches none."""
    answer: AnswerResponse | None
    """The answer, if there is one."""
    problem: Problem | None
    """Why there is none."""

    def dump(self) -> dict[str, Any]:
        """As JSON; the problem looks as it does elsewhere."""
        problem = None if self.problem is None else self.problem.model_dump(exclude_none=True)
        return {"stream": self.stream, "answer": self.answer and self.answer.model_dump(), "problem": problem}


class StreamsQueryResponse(Schema):
    """Every stream that was asked, with its answer or its problem."""

    results: list[StreamResult]
    """Ordered by stream."""


class StreamsQueryDone(Schema):
    """Data of the last event: nothing more comes."""

    answered: int
    """Streams that answered."""
    failed: int
    """Streams that did not."""
