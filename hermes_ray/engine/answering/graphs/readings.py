"""Which captured pass reads what the seats are to read, if one does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from hermes_ray.engine.answering.graphs.decoding import DecodePass
from hermes_ray.engine.answering.graphs.questions import QuestionPass
from hermes_ray.engine.answering.seats.reading import Reading
from hermes_ray.engine.graphs.buckets import smallest
from hermes_ray.engine.graphs.counts import PassCounts


@dataclass(frozen=True, slots=True)
class Read:
    """What a pass found.

    Attributes:
        logits: behind the last token of each reading, ``[1, vocabulary]`` float32 each.
        weights: what these tokens attend to, averaged over heads, ``[deep layers, readings, columns]`` float32; valid
            until the next pass.
    """

    logits: list[Tensor]
    weights: Tensor


class ReadingGraphs:
    """The captured passes of one block of seats.

    Branches, and what a vision tower adds behind the first layers (DeepStack), are in no graph: they are read eagerly.

    Args:
        decoding: for tokens of answers, by how many.
        questions: for questions, with or without such tokens, by how many tokens in all.
        counts: where passes are counted.
    """

    def __init__(
        self, decoding: Mapping[int, DecodePass], questions: Mapping[int, QuestionPass], counts: PassCounts
    ) -> None:
        self._decoding = decoding
        self._questions = questions
        self._counts = counts

    def takes(self, readings: Sequence[Reading]) -> bool:
        """Whether there is a pass for these; counts it."""
        fits = not any(reading.branches or _has_deepstack(reading) for reading in readings)
        fits = fits and (_only_tokens(readings) or self._size(readings) is not None)
        self._counts.replayed += fits
        self._counts.eager += not fits
        return fits

    def read(
        self,
        readings: Sequence[Reading],
        at: Tensor,
        lengths: Sequence[int],
        lay_out: Callable[[], tuple[Tensor, Tensor]],
    ) -> Read:
        """Read what :meth:`takes` has taken.

        Args:
            readings: sorted by their seats.
            at: these seats, ``[readings]`` int64 on the device.
            lengths: tokens that each seat holds, of all seats.
            lay_out: embeddings ``[tokens, hidden]`` and positions ``[layers, tokens, axes]`` int32 of all readings; a
                pass that reads only tokens of answers knows them itself.
        """
        seats = [reading.seat for reading in readings]
        rows = smallest(list(self._decoding), len(readings))
        if rows is not None and _only_tokens(readings):
            ids = [reading.ids[0] for reading in readings]
            decode = self._decoding[rows]
            logits, weights = decode.run(ids, seats, [lengths[seat] for seat in seats])
            by_seat = decode.by_seat
        else:
            size = self._size(readings)
            assert size is not None, "only what was taken is read"
            tokens = [0] * len(lengths)
            for reading in readings:
                tokens[reading.seat] = reading.tokens
            logits, weights = self._questions[size].run(*lay_out(), tokens, lengths)
            by_seat = True
        places = seats if by_seat else range(len(readings))
        return Read(
            [logits[place : place + 1] for place in places],
            weights.index_select(1, at) if by_seat else weights[:, : len(readings)],
        )

    def _size(self, readings: Sequence[Reading]) -> int | None:
        return smallest(list(self._questions), sum(reading.tokens for reading in readings))


def _only_tokens(readings: Sequence[Reading]) -> bool:
    return all(reading.embeds is None and reading.preview is None and len(reading.ids) == 1 for reading in readings)


def _has_deepstack(reading: Reading) -> bool:
    return reading.preview is not None and reading.preview.block.deepstack is not None
