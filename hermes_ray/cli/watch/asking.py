"""Asking an engine of this process, and what people and programs are told of the answer."""

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from hermes_ray.api.schemas.understanding import AnswerWarning
from hermes_ray.cli.console.answers import FRAMES_SHOWN, say_facts, say_warnings
from hermes_ray.cli.watch.moments import format_position
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.rfc3339 import rfc3339

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine
    from hermes_ray.watching import Watching


class Asker:
    """Asks about one stream, and keeps the answers.

    Args:
        engine: has the memory.
        stream_id: the stream.
        watching: what is shown to it; ``None`` for a memory alone, in which moments are times and not positions.
        max_tokens: the most tokens to answer with.
        console: for what an answer rests on.
        aloud: write answers to stdout as they come.

    Attributes:
        answers: for programs.
    """

    def __init__(
        self,
        engine: "StreamEngine",
        stream_id: str,
        watching: "Watching | None",
        max_tokens: int,
        console: Console,
        *,
        aloud: bool,
    ) -> None:
        self.answers: list[dict[str, Any]] = []
        self._engine = engine
        self._stream_id = stream_id
        self._watching = watching
        self._max_tokens = max_tokens
        self._console = console
        self._aloud = aloud

    def ask(self, text: str) -> None:
        """Ask about what has been shown until now.

        Raises:
            HermesError: there is no answer.
        """
        answering = self._engine.ask(self._stream_id, Question(text, self._max_tokens))
        for token in answering:
            if self._aloud:
                typer.echo(token.text, nl=False)
        answer = answering.result()
        if self._aloud:
            typer.echo()
            self._say_grounds(answer)
            say_warnings(self._console, AnswerWarning.of(answer))
        self.answers.append(self._as_json(text, answer))

    def _as_json(self, question: str, answer: Answer) -> dict[str, Any]:
        return {
            "question": question,
            "answer": answer.text,
            "position_s": self._position(answer.as_of_ms),
            "as_of": rfc3339(answer.as_of_ms),
            "frames_seen": answer.frames_seen,
            "ttft_ms": answer.ttft_ms,
            "usage": {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens},
            "finish_reason": answer.finish_reason,
            "evidence": [
                {"frame": item.frame, "weight": item.weight, "position_s": self._position(item.captured_ms)}
                for item in answer.evidence
            ],
            "warnings": [warning.model_dump() for warning in AnswerWarning.of(answer)],
        }

    def _say_grounds(self, answer: Answer) -> None:
        evidence = [
            f"{self._moment(item.captured_ms)} ({item.weight:.0%})"
            for item in answer.evidence[:FRAMES_SHOWN]
            if item.captured_ms is not None
        ]
        facts = [
            f"at {self._moment(answer.as_of_ms)}",
            f"{answer.frames_seen} frames seen",
            f"first token after {answer.ttft_ms:.0f} ms",
            f"{answer.completion_tokens} tokens",
        ]
        say_facts(self._console, facts + ([f"rests on {', '.join(evidence)}"] if evidence else []))

    def _position(self, captured_ms: int | None) -> float | None:
        return None if captured_ms is None or self._watching is None else self._watching.position_of(captured_ms)

    def _moment(self, captured_ms: int) -> str:
        position_s = self._position(captured_ms)
        return rfc3339(captured_ms) if position_s is None else format_position(position_s)
