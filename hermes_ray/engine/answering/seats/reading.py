"""What the seats of one pass read: packed one behind the other, and attended to run by run.

Tokens of all seats lie in one row without padding, so that projections and MLPs compute nothing twice and nothing in
vain. Attention differs by seat. Seats that are neighbours and read about equally much share a call: a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.engine.attention.dot_product import additive_mask, attend, attention_weights
from hermes_ray.memory.transfer import to_device
from hermes_ray.models.adapter import VisualBlock
from hermes_ray.models.parts.decoder import Decoder


@dataclass(frozen=True, slots=True)
class Preview:
    """Frames that a question sees and the memory does not hold yet (:meth:`MemoryWriter.preview`).

    Attributes:
        block: the frames.
        positions: ``[layers, tokens, axes]`` int32.
        frame: number of the block's first frame.
    """

    block: VisualBlock
    positions: Tensor
    frame: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one seat reads in a pass: a question, the next token of an answer, or what answers to choose from.

    Attributes:
        seat: a copied memory.
        embeds: ``[tokens, hidden]``; ``None`` for nothing.
        ids: token ids behind these.
        branches: token ids of continuations. Each follows all of the above, none sees another, and none is kept.
        preview: frames in front of all that.
    """

    seat: int
    embeds: Tensor | None = None
    ids: tuple[int, ...] = ()
    branches: tuple[tuple[int, ...], ...] = ()
    preview: Preview | None = None

    @property
    def shown(self) -> int:
        """Tokens of the frames in front."""
        return 0 if self.preview is None else self.preview.block.tokens

    @property
    def kept(self) -> int:
        """Tokens that the seat holds more afterwards: all but the branches."""
        return self.shown + (0 if self.embeds is None else self.embeds.shape[0]) + len(self.ids)

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.kept + sum(len(branch) for branch in self.branches)

    @property
    def token_ids(self) -> list[int]:
        """Those tokens that are given as ids, in order."""
        return [*self.ids, *(token for branch in self.branches for token in branch)]

    def steps(self) -> list[int]:
        """How far behind the seat's next text position each token is; the frames have positions of their own."""
        text = self.kept - self.shown
        ahead = [step for branch in self.branches for step in range(text, text + len(branch))]
        return [*([0] * self.shown), *range(text), *ahead]


class PackedReadings:
    """The readings of one pass.

    Attributes:
        embeds: ``[1, tokens, hidden]``.
        seats: seat of each token, ``[tokens]`` int64.
        columns: where in its seat each token goes, ``[tokens]`` int64.
        steps: :meth:`Reading.steps` of all, ``[tokens]`` int64.
        wanted: the tokens behind which logits are wanted, ``[tokens]`` int64: of each reading the last kept one, if
            any is kept, and all of its branches.
        previews: the frames in front of readings, each with the index of its first token.
        runs: the readings, grouped for attention; their tokens lie in this order.
    """

    def __init__(self, readings: Sequence[Reading], lengths: Sequence[int], decoder: Decoder) -> None:
        device = decoder.device
        self._order = sorted(range(len(readings)), key=lambda index: (readings[index].tokens > 1, readings[index].seat))
        ordered = [readings[index] for index in self._order]
        self.embeds = embed(ordered, decoder)[None]
        starts = [lengths[reading.seat] for reading in ordered]
        where = [
            (reading.seat, column, step)
            for reading, start in zip(ordered, starts, strict=True)
            for column, step in enumerate(reading.steps(), start)
        ]
        self.seats, self.columns, self.steps = to_device(torch.tensor(where), device).T
        first, wanted, self.previews, self._sizes = 0, list[int](), list[tuple[Preview, int]](), list[int]()
        for reading in ordered:
            if reading.preview is not None:
                self.previews.append((reading.preview, first))
            mine = range(first + max(0, reading.kept - 1), first + reading.tokens)
            wanted.extend(mine)
            self._sizes.append(len(mine))
            first += reading.tokens
        self.wanted = to_device(torch.tensor(wanted), device)
        group = decoder.shape.heads // decoder.shape.kv_heads
        self.runs: list[Run] = []
        for begin, stop in _runs(ordered):
            token = 0 if not self.runs else self.runs[-1].tokens.stop
            self.runs.append(Run(ordered[begin:stop], starts[begin:stop], token, group, decoder))

    def attended(self, parts: Sequence[Tensor]) -> Tensor:
        """What the runs' attention returned, as one: ``[1, heads, tokens, head_dim]``."""
        return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=2)

    def unpacked(self, logits: Tensor) -> list[Tensor]:
        """Logits behind the wanted tokens ``[wanted, vocabulary]``, for each reading in the order given."""
        split = logits.split(self._sizes)
        return [rows for _, rows in sorted(zip(self._order, split, strict=True), key=lambda pair: pair[0])]


class Run:
    """Readings of neighbouring seats, padded to a rectangle for attention alone.

    Attributes:
        seats: their seats.
        tokens: their tokens in the pass.
        end: columns of the seats that any of them sees.
    """

    def __init__(
        self, readings: Sequence[Reading], starts: Sequence[int], first: int, group: int, decoder: Decoder
    ) -> None:
        sizes = [reading.tokens for reading in readings]
        self._rows, self._width = len(readings), max(sizes)
        self._scaling = decoder.scaling
        self.seats = slice(readings[0].seat, readings[-1].seat + 1)
        self.tokens = slice(first, first + sum(sizes))
        self.end = max(start + size for start, size in zip(starts, sizes, strict=True))
        self._take, self._give = None, None
        if min(sizes) < self._width:
            self._pad(sizes, decoder.device)
        visible = self._visible(readings, starts, decoder.device)
        last = [max(0, reading.kept - 1) for reading in readings]
        self._last = (torch.arange(self._rows, device=decoder.device), to_device(torch.tensor(last), decoder.device))
        self._mask = additive_mask(visible, group, decoder.dtype)
        self._last_mask = additive_mask(visible[self._last][:, None], group, decoder.dtype)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention of the run's tokens.

        Args:
            queries: of the whole pass, ``[1, heads, tokens, head_dim]``, rotated.
            keys: of one layer, all seats, ``[seats, kv_heads, capacity, head_dim]``, rotated.
            values: likewise.

        Returns:
            ``[1, heads, tokens of the run, head_dim]``.
        """
        keys, values = keys[self.seats, :, : self.end], values[self.seats, :, : self.end]
        attended = attend(self._rectangle(queries), keys, values, self._mask, self._scaling)
        if self._rows == 1:
            return attended
        flat = attended.transpose(0, 1).flatten(1, 2)
        return (flat if self._give is None else flat[:, self._give])[None]

    def observe(self, queries: Tensor, keys: Tensor) -> Tensor:
        """What the last kept token of each seat attends to, over all heads: ``[seats of the run, end]`` float32."""
        rows, last = self._last
        observing = self._rectangle(queries)[rows, :, last][:, :, None]
        seen = attention_weights(observing, keys[self.seats, :, : self.end], self._last_mask, self._scaling)
        return seen.mean(dim=(1, 2))

    def _rectangle(self, queries: Tensor) -> Tensor:
        """The run's part of ``[1, heads, tokens, head_dim]``, as ``[seats, heads, width, head_dim]``."""
        if self._rows == 1:
            return queries[:, :, self.tokens]
        mine = queries[0, :, self.tokens]
        padded = mine.unflatten(1, (self._rows, self._width)) if self._take is None else mine[:, self._take]
        return padded.transpose(0, 1)

    def _pad(self, sizes: Sequence[int], device: torch.device) -> None:
        """Which token stands at each place of the rectangle, and at which places the tokens are."""
        take, give, first = list[list[int]](), list[int](), 0
        for row, size in enumerate(sizes):
            take.append([first + min(place, size - 1) for place in range(self._width)])
            give.extend(range(row * self._width, row * self._width + size))
            first += size
        self._take, self._give = to_device(torch.tensor(take), device), to_device(torch.tensor(give), device)

    def _visible(self, readings: Sequence[Reading], starts: Sequence[int], device: torch.device) -> Tensor:
        """Which columns each token sees: the seat's, and causally its own reading. ``[seats, width, end]`` bool."""
        columns = torch.arange(self.end, device=device)
        ahead = torch.arange(self._width, device=device)
        visible = columns <= (to_device(torch.tensor(starts), device)[:, None] + ahead)[..., None]
        for row, (reading, start) in enumerate(zip(readings, starts, strict=True)):
            begin = reading.kept
            for branch in reading.branches:
                visible[row, begin : begin + len(branch), start + reading.kept : start + begin] = False
                begin += len(branch)
        return visible


def embed(readings: Sequence[Reading], decoder: Decoder) -> Tensor:
    """Embeddings of all readings, one behind the other, ``[tokens, hidden]``; one call embeds all ids."""
    ids = [reading.token_ids for reading in readings]
    together = torch.tensor([token for mine in ids for token in mine], dtype=torch.int64)
    embedded = decoder.embed(to_device(together, decoder.device))
    parts: list[Tensor] = []
    for reading, mine in zip(readings, embedded.split([len(mine) for mine in ids]), strict=True):
        if reading.preview is not None:
            parts.append(reading.preview.block.embeds)
        if reading.embeds is not None:
            parts.append(reading.embeds)
        parts.append(mine)
    return torch.cat(parts)


def _runs(ordered: Sequence[Reading]) -> list[tuple[int, int]]:
    """Where to cut: between seats that are no neighbours, and where padding would more than double a reading."""
    runs: list[tuple[int, int]] = []
    begin = 0
    for index in range(1, len(ordered) + 1):
        if index < len(ordered):
            sizes = [reading.tokens for reading in ordered[begin : index + 1]]
            if ordered[index].seat == ordered[index - 1].seat + 1 and max(sizes) <= 2 * min(sizes):
                continue
        runs.append((begin, index))
        begin = index
    return runs
