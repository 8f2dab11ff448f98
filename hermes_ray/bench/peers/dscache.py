"""DSCache (Pang et al., arXiv 2605.01858) as a peer: the newest frames stay raw and are encoded at the question.

They are encoded behind the system prompt alone, decoupled from the past; the tokens of older frames lie before them
in a queue, whose oldest leave first. Keys carry no positions until a question lays everything out anew.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.bench.peers.reading import Cache, Sight, joined, read, rotated
from hermes_ray.errors import ConfigError
from hermes_ray.models import ModelAdapter

RAW_FRAMES = 5
"""Frames that are kept as features until a question comes."""


class RawRing:
    """The memory of one stream.

    Args:
        adapter: the model.
        prefix: the system prompt's cache in every layer, keys un-rotated.
        queue_tokens: the most visual tokens of older frames per layer, 0 or more; the oldest leave first.
        raw_frames: frames kept raw, at least 1.

    Raises:
        ConfigError: there is no room for the raw frames.
    """

    def __init__(
        self, adapter: ModelAdapter, prefix: list[Cache], *, queue_tokens: int, raw_frames: int = RAW_FRAMES
    ) -> None:
        if queue_tokens < 0 or raw_frames < 1:
            raise ConfigError(
                f"dscache keeps {raw_frames} raw frames, at least one, and has {queue_tokens} tokens for older ones; "
                "raise the budget"
            )
        self._adapter = adapter
        self._prefix = prefix
        self._queue = [(keys[:, :0], values[:, :0]) for keys, values in prefix]
        self._queue_tokens = queue_tokens
        self._raw: list[Tensor] = []
        self._raw_frames = raw_frames

    def push(self, frames: Sequence[Tensor]) -> None:
        """Show frames, ``[tokens, hidden]`` each; those that leave the raw frames are encoded and queued one by one."""
        self._raw += frames
        while len(self._raw) > self._raw_frames:
            past = [joined(prefix, queued) for prefix, queued in zip(self._prefix, self._queue, strict=True)]
            self.queue(self._encode(self._raw.pop(0), past))

    def queue(self, caches: list[Cache]) -> None:
        """Put encoded tokens behind those that are queued: of every layer un-rotated keys, and values."""
        for layer, cache in enumerate(caches):
            keys, values = joined(self._queue[layer], cache)
            oldest = max(0, keys.shape[1] - self._queue_tokens)
            self._queue[layer] = keys[:, oldest:], values[:, oldest:]

    @property
    def queued(self) -> list[Cache]:
        """The older frames' tokens in every layer, oldest first, keys un-rotated."""
        return self._queue

    @property
    def tokens(self) -> int:
        """Visual tokens that are held, raw ones included."""
        return self._queue[0][0].shape[1] + sum(features.shape[0] for features in self._raw)

    def sight(self) -> Sight:
        """Encode the raw frames and lay everything out at fresh positions 0, 1, 2 ..., for a question to read."""
        newest = self._encode(torch.cat(self._raw), self._prefix)

        def everything(layer: int, _: Tensor) -> Cache:
            keys, values = joined(self._prefix[layer], self._queue[layer], newest[layer])
            return rotated(self._adapter, keys), values

        return everything

    @torch.inference_mode()
    def _encode(self, features: Tensor, behind: list[Cache]) -> list[Cache]:
        placed = [(rotated(self._adapter, keys), values) for keys, values in behind]
        return read(self._adapter, features, lambda layer, _: placed[layer]).caches
