"""What a run of the demo did, as one JSON object, and whether it kept its promises."""

from collections.abc import Mapping, Sequence
from typing import Any

from hermes_ray.api.schemas.streams import StreamResponse
from hermes_ray.cli.demo.questions import Exchange

NOTE_RANDOM = (
    "The model's weights are random: its words mean nothing. What this run shows is the path from camera to answer."
)
NOTE_TINY = (
    "The bundled model understands only the simulated cameras' world; its words about other footage mean nothing."
)


def build_report(
    *,
    model: str,
    published: Mapping[str, int],
    streams: Sequence[StreamResponse],
    exchanges: Sequence[Exchange],
    wall_s: float,
) -> dict[str, Any]:
    """Build the report.

    Args:
        model: the model's name, as in the settings.
        published: per stream id, frames that Kafka confirmed.
        streams: their state at the end.
        exchanges: questions and answers, in the order in which they were given.
        wall_s: from the command's start, seconds.
    """
    return {
        "model": model,
        "note": note_about(model),
        "streams": [_stream(stream, published.get(stream.id, 0)) for stream in streams],
        "answers": [_answer(exchange) for exchange in exchanges],
        "wall_s": round(wall_s, 3),
    }


def note_about(model: str) -> str | None:
    """What a reader must know about the model's words, if anything."""
    return {"hermes-tiny-random": NOTE_RANDOM, "hermes-tiny": NOTE_TINY}.get(model)


def broken_promises(published: Mapping[str, int], streams: Sequence[StreamResponse]) -> list[str]:
    """Return what is not as the system promises, one sentence each; empty when all is well."""
    known = {stream.id: stream for stream in streams}
    problems = [f"{stream_id}: published, but no memory knows it" for stream_id in published if stream_id not in known]
    for stream_id, stream in known.items():
        problems += [f"{stream_id}: {problem}" for problem in _problems(stream, published.get(stream_id, 0))]
    return problems


def _problems(stream: StreamResponse, published: int) -> list[str]:
    if stream.ingest is None:
        return ["no ingest worker reports about it"]
    counts = stream.ingest
    checks = [
        (counts.frames_decoded == published, f"{published} frames published, {counts.frames_decoded} decoded"),
        (
            counts.frames_applied == counts.frames_selected == stream.frames_seen,
            f"{counts.frames_selected} frames selected, {counts.frames_applied} confirmed, "
            f"{stream.frames_seen} in memory",
        ),
        (counts.dead_letters == 0, f"{counts.dead_letters} records went to the dead letters"),
        (_is_bounded(stream), f"a layer holds {max(stream.kv_tokens_per_layer)} tokens, beyond prefix and budget"),
    ]
    return [sentence for kept, sentence in checks if not kept]


def _is_bounded(stream: StreamResponse) -> bool:
    return stream.kv_budget is None or max(stream.kv_tokens_per_layer) <= stream.kv_prefix + stream.kv_budget


def is_settled(published: Mapping[str, int], streams: Sequence[StreamResponse]) -> bool:
    """Whether all that was published has been decoded, and all that sampling selected has been applied."""
    known = {stream.id: stream for stream in streams}
    return all(_is_stream_settled(known.get(stream_id), frames) for stream_id, frames in published.items())


def _is_stream_settled(stream: StreamResponse | None, published: int) -> bool:
    if stream is None or stream.ingest is None:
        return False
    counts = stream.ingest
    return counts.frames_decoded >= published and counts.frames_applied == counts.frames_selected


def _stream(stream: StreamResponse, published: int) -> dict[str, Any]:
    return {
        "id": stream.id,
        "frames_published": published,
        "frames_selected": stream.ingest.frames_selected if stream.ingest else None,
        "frames_applied": stream.frames_seen,
        "kv_tokens_per_layer": stream.kv_tokens_per_layer,
        "kv_budget": stream.kv_budget,
        "kv_prefix": stream.kv_prefix,
        "compactions": stream.compactions,
        "as_of": stream.as_of,
        "lag_ms": stream.lag_ms,
    }


def _answer(exchange: Exchange) -> dict[str, Any]:
    answer = exchange.answer
    return {
        "stream": answer.stream,
        "question": answer.question,
        "answer": answer.answer,
        "truth": exchange.truth,
        "correct": exchange.correct,
        "ttft_ms": answer.ttft_ms,
        "as_of": answer.as_of,
        "frames_seen": answer.frames_seen,
    }
