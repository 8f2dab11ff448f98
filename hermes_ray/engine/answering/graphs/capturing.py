"""Captures the passes that read questions and tokens, and compares each with the eager pass."""

from collections.abc import Callable
from dataclasses import replace

import torch

from hermes_ray.engine.answering.graphs.decoding import DecodePass
from hermes_ray.engine.answering.graphs.questions import QuestionPass
from hermes_ray.engine.answering.graphs.readings import ReadingGraphs
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.answering.seats.reading import Reading
from hermes_ray.engine.attention.flash import Kernels
from hermes_ray.engine.graphs.buckets import question_buckets, seat_buckets
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.engine.graphs.matching import check
from hermes_ray.engine.graphs.noise import shared_out
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable

_NOT_FULL = 3
"""Tokens that a pass has room for and does not get when it is compared."""
_TOGETHER = 4
"""Seats that read at once then."""


def capture_readings(
    copies: AnswerSlab,
    decoder: Decoder,
    rotary: RotaryTable,
    slab: KVSlab,
    slot: int,
    *,
    most_tokens: int,
    capture: Capture,
    kernels: Kernels,
    counts: PassCounts,
    on_progress: Callable[[str], None],
) -> ReadingGraphs:
    """All passes over the seats, which are free, and free again behind it.

    Args:
        copies: the seats.
        decoder: the language decoder.
        rotary: its positions.
        slab: holds a memory to compare with.
        slot: where.
        most_tokens: of a question.
        capture: makes passes repeatable.
        kernels: attention over sequences of any lengths.
        counts: where the passes are counted once they are used.
        on_progress: is told what comes next.

    Raises:
        GraphMismatch: a pass computes something else than the eager one.
    """
    ids = torch.arange(decoder.shape.vocabulary, device=decoder.device)
    decoding, questions = dict[int, DecodePass](), dict[int, QuestionPass]()
    for rows in seat_buckets(copies.cache.seats):
        on_progress(name := f"the next tokens of {rows} answers")
        one = DecodePass(
            decoder,
            rotary,
            copies.cache,
            copies.next_positions,
            rows=rows,
            deep_from=copies.deep_from,
            kernels=kernels,
            capture=capture,
        )
        asked = [Reading(seat, ids=(seat + 1,)) for seat in range(max(1, rows - 1))]
        _compare(name, copies, ReadingGraphs({rows: one}, {}, PassCounts()), asked, slab, slot)
        decoding[rows] = one
    for tokens in question_buckets(copies.cache.seats * most_tokens):
        on_progress(name := f"{tokens} tokens of questions")
        one = QuestionPass(
            decoder,
            rotary,
            copies.cache,
            tokens=tokens,
            deep_from=copies.deep_from,
            kernels=kernels,
            capture=capture,
        )
        seats = min(copies.cache.seats, _TOGETHER)
        lengths = shared_out(min(tokens - _NOT_FULL, seats * most_tokens), seats)
        asked = [Reading(seat, decoder.embed(ids[seat : seat + length])) for seat, length in enumerate(lengths)]
        _compare(name, copies, ReadingGraphs({}, {tokens: one}, PassCounts()), asked, slab, slot)
        questions[tokens] = one
    return ReadingGraphs(decoding, questions, counts)


def _compare(
    name: str, copies: AnswerSlab, graphs: ReadingGraphs, asked: list[Reading], slab: KVSlab, slot: int
) -> None:
    """Both passes on fresh copies of the same memory; what the next token will see is compared by one more."""
    found: list[torch.Tensor] = []
    for chosen in (graphs, None):
        seats = [copies.copy(slab, slot) for _ in asked]
        copies.graphs = chosen
        logits = copies.read([replace(reading, seat=seat) for reading, seat in zip(asked, seats, strict=True)])
        copies.graphs = None
        behind = copies.read([Reading(seat, ids=(0,)) for seat in seats])
        found.append(torch.cat([*logits, *behind]))
        for seat in seats:
            copies.wipe(seat)
            copies.release(seat)
    check(name, *found, dtype=copies.cache.keys.dtype)
