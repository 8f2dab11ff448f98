"""Packs clips and their questions into one batch whose attention mask keeps the questions apart.

A row is: prefix, all frames' visual tokens, then one segment per question. A segment (newline embedding, question,
answer) sees the prefix, the frames up to its moment, and itself; its positions go on after the last visual token it
sees. So each question is computed exactly as if it were asked alone at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermes_ray.models.chat import split_template
from hermes_ray.models.tiny import vocabulary
from hermes_ray.models.tiny.architecture import MAX_POSITIONS, TOKENS_PER_SIDE
from hermes_ray.models.tiny.tokenizer import build_tokenizer
from training.clips import IGNORED, LABELS, Clip

TOKENS_PER_FRAME = TOKENS_PER_SIDE**2
NEWLINE = -1
"""Stands in ``Batch.text_ids`` for the newline embedding, which is a parameter and no word."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips of equal length, packed. ``B`` rows, ``F`` frames, ``V = 9 F`` visual tokens, ``S`` segment tokens.

    Attributes:
        frames: ``[B, F, 72, 72, 3]``, uint8.
        labels: per name of ``LABELS``, ``[B, V]``, int64.
        text_ids: ``[B, S]``, int64; padding repeats ``<pad>``.
        targets: ``[B, S]``, int64: the next token where it belongs to an answer, ``IGNORED`` elsewhere.
        segments: ``[B, S]``, int64: index of the question within its row, -1 for padding.
        visible: ``[B, S]``, int64: how many visual tokens this token may see.
        positions: ``[B, S]``, int64: position of this token, prefix and visible frames counted.
        tasks: per row, the task of each segment.
    """

    frames: NDArray[np.uint8]
    labels: dict[str, Tensor]
    text_ids: Tensor
    targets: Tensor
    segments: Tensor
    visible: Tensor
    positions: Tensor
    tasks: tuple[tuple[str, ...], ...]


class Packer:
    """Turns clips into batches, with the words' ids and the template of the bundled tokenizer."""

    def __init__(self) -> None:
        template = split_template(build_tokenizer(MAX_POSITIONS), vocabulary.VIDEO)
        self._ids = {word: index for index, word in enumerate(vocabulary.words())}
        self.prefix = self._encode(template.before_video)
        self._before_question = self._encode(template.before_question)
        self._after_question = self._encode(template.after_question)
        self._end = self._ids[vocabulary.TURN_END]

    def pack(self, clips: Sequence[Clip]) -> Batch:
        """Pack clips of one length; rows are padded to the longest.

        Raises:
            ValueError: the clips differ in length.
        """
        if len({len(clip.frames) for clip in clips}) != 1:
            raise ValueError("the clips of one batch must have the same number of frames")
        rows = [self._pack_row(clip) for clip in clips]
        length = max(len(row[0]) for row in rows)
        fills = (self._ids[vocabulary.PAD], IGNORED, -1, 0, 0)
        text_ids, targets, segments, visible, positions = (
            torch.tensor([row[i] + [fill] * (length - len(row[i])) for row in rows]) for i, fill in enumerate(fills)
        )
        return Batch(
            frames=np.stack([clip.frames for clip in clips]),
            labels={name: torch.tensor(np.stack([clip.labels[name].ravel() for clip in clips])) for name in LABELS},
            text_ids=text_ids,
            targets=targets,
            segments=segments,
            visible=visible,
            positions=positions,
            tasks=tuple(tuple(placed.question.task for placed in clip.questions) for clip in clips),
        )

    def _pack_row(self, clip: Clip) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
        ids, targets, segments, visible, positions = [], [], [], [], []
        for index, placed in enumerate(clip.questions):
            asked = [NEWLINE, *self._before_question, *self._encode(placed.question.text), *self._after_question]
            answer = [*self._encode(placed.question.answer), self._end]
            segment = asked + answer[:-1]  # the end itself is predicted, never read
            seen = (placed.frame + 1) * TOKENS_PER_FRAME
            ids += segment
            targets += [IGNORED] * (len(asked) - 1) + answer
            segments += [index] * len(segment)
            visible += [seen] * len(segment)
            positions += [len(self.prefix) + seen + i for i in range(len(segment))]
        return ids, targets, segments, visible, positions

    def _encode(self, text: str) -> list[int]:
        for special in (vocabulary.TURN_START, vocabulary.TURN_END):
            text = text.replace(special, f" {special} ")
        return [self._ids[word] for word in text.split()]


def attention_mask(batch: Batch, prefix_tokens: int, frames: int) -> Tensor:
    """Return who sees whom: ``[B, 1, T, T]`` float32, 0 or the lowest number, with ``T = prefix + V + S``."""
    context = prefix_tokens + frames * TOKENS_PER_FRAME
    rows, length = batch.text_ids.shape
    allowed = torch.zeros(rows, context + length, context + length, dtype=torch.bool)
    allowed[:, :context, :context] = torch.ones(context, context, dtype=torch.bool).tril()
    column = torch.arange(context)
    allowed[:, context:, :context] = column < prefix_tokens + batch.visible[:, :, None]
    same = batch.segments[:, :, None] == batch.segments[:, None, :]
    allowed[:, context:, context:] = same & torch.ones(length, length, dtype=torch.bool).tril()
    return torch.zeros(allowed.shape).masked_fill_(~allowed, torch.finfo(torch.float32).min)[:, None]
