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

from hermes_ray.models.tiny import vocabulary
from hermes_ray.models.tiny.architecture import MAX_POSITIONS, TOKENS_PER_SIDE
from hermes_ray.models.tiny.tokenizer import build_tokenizer
from training.clips import IGNORED, LABELS, Clip

TOKENS_PER_FRAME = TOKENS_PER_SIDE**2
NEWLINE = -1
"""Stands in ``Batch.text_ids`` for the newline embedding, which is a parameter and no word."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips of equal length, packed. ``B`` rows, ``F`` frames, ``V`` of the ``9 F`` visual tokens, ``S`` of text.

    Attributes:
        frames: ``[B, F, 72, 72, 3]``, uint8.
        kept: ``[B, V]``, int64, ascending: which of a clip's ``9 F`` visual tokens the decoder is given.
        labels: per name of ``LABELS``, ``[B, V]``, int64: of the tokens kept.
        text_ids: ``[B, S]``, int64; padding repeats ``<pad>``.
        targets: ``[B, S]``, int64: the next token where it belongs to an answer, ``IGNORED`` elsewhere.
        segments: ``[B, S]``, int64: index of the question within its row, -1 for padding.
        visible: ``[B, S]``, int64: visual tokens with an index below this may be seen by this token.
        visual_positions: ``[B, V]``, int64: positions of the visual tokens, the prefix counted.
        positions: ``[B, S]``, int64: position of this token of text, behind the visual tokens that it may see.
        tasks: per row, the task of each segment.
    """

    frames: NDArray[np.uint8]
    kept: Tensor
    labels: dict[str, Tensor]
    text_ids: Tensor
    targets: Tensor
    segments: Tensor
    visible: Tensor
    visual_positions: Tensor
    positions: Tensor
    tasks: tuple[tuple[str, ...], ...]


class Packer:
    """Turns clips into batches, with the words' ids and the template of the bundled tokenizer."""

    def __init__(self) -> None:
        self._ids = {word: index for index, word in enumerate(vocabulary.words())}
        self._end = self._ids[vocabulary.TURN_END]
        # The template around one video and one question, for which the unknown word stands here.
        chat = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": vocabulary.UNKNOWN}]}]
        rendered = build_tokenizer(MAX_POSITIONS).apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        before_video, behind = str(rendered).split(vocabulary.VIDEO)
        before_question, after_question = behind.split(vocabulary.UNKNOWN)
        self.prefix = self._encode(before_video)
        self._before_question = self._encode(before_question)
        self._after_question = self._encode(after_question)

    def pack(
        self,
        clips: Sequence[Clip],
        *,
        empty_share: float = 1.0,
        whole_frames: int = 0,
        longest_stretch: float = 1.0,
        seed: int = 0,
    ) -> Batch:
        """Pack clips of one length; rows are padded to the longest.

        Args:
            clips: at least one.
            empty_share: about how many of the visual tokens that show nothing are kept. Fewer make a step much
                cheaper, and look like a memory from which tokens were evicted.
            whole_frames: above 0, one to so many newest frames of every moment that is asked about are kept whole, as
                a memory protects them: where positions are renumbered, nothing else tells what is in view *now*.
            longest_stretch: above 1, only a third of the clips have the positions of the plain sequence. Of the others
                half are renumbered, as an eager memory is, and half are spread over up to so many times the positions,
                as a lazy memory of a longer stream is (randomised positions: Ruoss et al., arXiv 2305.16843).
            seed: decides which tokens and which positions.

        Raises:
            ValueError: the clips differ in length.
        """
        if len({len(clip.frames) for clip in clips}) != 1:
            raise ValueError("the clips of one batch must have the same number of frames")
        rows = [self._pack_row(clip) for clip in clips]
        length = max(len(row[0]) for row in rows)
        fills = (self._ids[vocabulary.PAD], IGNORED, -1, 0, 0)
        text_ids, targets, segments, visible, within = (
            torch.tensor([row[i] + [fill] * (length - len(row[i])) for row in rows]) for i, fill in enumerate(fills)
        )
        wanted = np.stack([clip.labels["kind"].ravel() != 0 for clip in clips])
        if whole_frames:
            wanted |= _newest_frames(clips, whole_frames, seed)
        kept = _choose_tokens(wanted, empty_share, seed)
        starts = torch.from_numpy(_lay_out(kept, len(clips[0].frames), longest_stretch, seed)) + len(self.prefix)
        labels = {name: np.stack([clip.labels[name].ravel() for clip in clips]) for name in LABELS}
        return Batch(
            frames=np.stack([clip.frames for clip in clips]),
            kept=torch.from_numpy(kept),
            labels={name: torch.from_numpy(np.take_along_axis(labels[name], kept, axis=1)) for name in LABELS},
            text_ids=text_ids,
            targets=targets,
            segments=segments,
            visible=visible,
            visual_positions=starts.gather(1, torch.from_numpy(kept)),
            positions=starts.gather(1, visible) + within,
            tasks=tuple(tuple(placed.question.task for placed in clip.questions) for clip in clips),
        )

    def _pack_row(self, clip: Clip) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
        ids, targets, segments, visible, within = [], [], [], [], []
        for index, placed in enumerate(clip.questions):
            asked = [NEWLINE, *self._before_question, *self._encode(placed.question.text), *self._after_question]
            answer = [*self._encode(placed.question.answer), self._end]
            segment = asked + answer[:-1]  # the end itself is predicted, never read
            seen = (placed.frame + 1) * TOKENS_PER_FRAME
            ids += segment
            targets += [IGNORED] * (len(asked) - 1) + answer
            segments += [index] * len(segment)
            visible += [seen] * len(segment)
            within += range(len(segment))
        return ids, targets, segments, visible, within

    def _encode(self, text: str) -> list[int]:
        for special in (vocabulary.TURN_START, vocabulary.TURN_END):
            text = text.replace(special, f" {special} ")
        return [self._ids[word] for word in text.split()]


def _newest_frames(clips: Sequence[Clip], most: int, seed: int) -> NDArray[np.bool_]:
    """Tell for every visual token ``[B, 9 F]`` whether it is of the newest frames of a moment that is asked about."""
    rng = np.random.default_rng([seed, 41])
    newest = np.zeros((len(clips), len(clips[0].frames)), dtype=np.bool_)
    for row, clip in zip(newest, clips, strict=True):
        frames = int(rng.integers(1, most + 1))
        for moment in {placed.frame for placed in clip.questions}:
            row[max(0, moment + 1 - frames) : moment + 1] = True
    return np.repeat(newest, TOKENS_PER_FRAME, axis=1)


def _choose_tokens(wanted: NDArray[np.bool_], empty_share: float, seed: int) -> NDArray[np.int64]:
    """Return the same number of indices for each row: all tokens that are wanted, and some of the others."""
    rows, tokens = wanted.shape
    count = int(wanted.sum(axis=1).max() + round(empty_share * (~wanted).sum(axis=1).min()))
    urgency = np.random.default_rng([seed, 31]).uniform(size=(rows, tokens)) + wanted
    chosen = np.argsort(-urgency, axis=1)[:, : min(tokens, count)]
    return np.sort(chosen, axis=1)


def _lay_out(kept: NDArray[np.int64], frames: int, longest_stretch: float, seed: int) -> NDArray[np.int64]:
    """Return ``[B, 9 F + 1]``: positions of all visual tokens and of what follows them, the prefix not counted."""
    rng = np.random.default_rng([seed, 37])
    tokens = frames * TOKENS_PER_FRAME
    rows = []
    for kept_of_row in kept:
        layout = rng.integers(3) if longest_stretch > 1 else 0
        if layout == 0:
            rows.append(np.arange(tokens + 1))
        elif layout == 1:
            rows.append(np.searchsorted(kept_of_row, np.arange(tokens + 1)))
        else:
            further = (np.exp(rng.uniform(0.0, np.log(longest_stretch))) - 1) * tokens
            pauses = np.floor(np.sort(rng.uniform(0.0, further, frames))).astype(np.int64)
            rows.append(np.arange(tokens + 1) + np.append(np.repeat(pauses, TOKENS_PER_FRAME), pauses[-1]))
    return np.stack(rows)


def attention_mask(batch: Batch, prefix_tokens: int) -> Tensor:
    """Return who sees whom: ``[B, 1, T, T]`` float32, 0 or the lowest number, with ``T = prefix + V + S``."""
    context = prefix_tokens + batch.kept.shape[1]
    rows, length = batch.text_ids.shape
    allowed = torch.zeros(rows, context + length, context + length, dtype=torch.bool)
    allowed[:, :context, :context] = torch.ones(context, context, dtype=torch.bool).tril()
    allowed[:, context:, :prefix_tokens] = True
    allowed[:, context:, prefix_tokens:context] = batch.kept[:, None, :] < batch.visible[:, :, None]
    same = batch.segments[:, :, None] == batch.segments[:, None, :]
    allowed[:, context:, context:] = same & torch.ones(length, length, dtype=torch.bool).tril()
    return torch.zeros(allowed.shape).masked_fill_(~allowed, torch.finfo(torch.float32).min)[:, None]
