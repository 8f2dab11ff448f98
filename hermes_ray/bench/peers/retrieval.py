"""ReKV (Di et al., arXiv 2503.00540) as a baseline: keep the KV of every frame, and fetch some frames per question.

Everything the stream ever showed stays in host memory. A question goes through the decoder once; in every layer its
mean query picks the frames whose mean key is nearest by cosine, and attends to those. Then the question is read a
second time upon the frames picked, and the answer begins. On a GPU the frames picked would cross the PCIe bus
in between; on a CPU they are only gathered, which flatters this baseline.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hermes_ray.bench.peers.reading import Cache, Sight, read, rotated
from hermes_ray.models import ModelAdapter


@dataclass(frozen=True, slots=True)
class FrameStore:
    """The KV cache of all frames of one stream, keys un-rotated.

    Attributes:
        keys: ``[layers, frames, kv_heads, tokens, head_dim]``.
        values: ``[layers, frames, kv_heads, tokens, head_dim]``.
        centres: ``[layers, frames, kv_heads * head_dim]``, the mean key of every frame, of length 1.
        prefix_keys: ``[layers, kv_heads, prefix, head_dim]``.
        prefix_values: ``[layers, kv_heads, prefix, head_dim]``.
    """

    keys: Tensor
    values: Tensor
    centres: Tensor
    prefix_keys: Tensor
    prefix_values: Tensor

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, prefix_keys: Tensor, prefix_values: Tensor) -> "FrameStore":
        """Build a store, with the centres that retrieval compares with."""
        return cls(keys, values, normalize(keys.mean(dim=3).flatten(2), dim=-1), prefix_keys, prefix_values)

    def pick(self, layer: int, queries: Tensor, count: int) -> Tensor:
        """The frames nearest to a question in one layer.

        Args:
            layer: layer index.
            queries: ``[heads, tokens, head_dim]``, un-rotated.
            count: how many frames.

        Returns:
            ``[min(count, frames)]`` int64, in stream order.
        """
        kv_heads = self.keys.shape[2]
        mean = queries.mean(dim=1)
        # Query heads that share a key head are averaged, so that both sides have one vector per key head.
        shared = mean.view(kv_heads, -1, mean.shape[-1]).mean(dim=1).flatten()
        similarity = self.centres[layer] @ normalize(shared, dim=0)
        return similarity.topk(min(count, similarity.shape[0])).indices.sort().values

    def fetch(self, layer: int, frames: Tensor) -> Cache:
        """Prefix and picked frames of one layer as one cache: twice ``[kv_heads, cached, head_dim]``."""
        keys = self.keys[layer, frames].transpose(0, 1).flatten(1, 2)
        values = self.values[layer, frames].transpose(0, 1).flatten(1, 2)
        return torch.cat((self.prefix_keys[layer], keys), 1), torch.cat((self.prefix_values[layer], values), 1)


class Retriever:
    """Answers questions on a :class:`FrameStore`.

    Args:
        adapter: the model.
        store: its frames.
        frames: how many frames every layer retrieves.
    """

    def __init__(self, adapter: ModelAdapter, store: FrameStore, frames: int = 64) -> None:
        self._adapter = adapter
        self._store = store
        self._frames = frames

    @torch.inference_mode()
    def sight(self, question: Tensor) -> Sight:
        """Retrieve for a question ``[tokens, hidden]``, by reading it a first time."""
        caches: list[Cache] = []

        def retrieve(layer: int, queries: Tensor) -> Cache:
            keys, values = self._store.fetch(layer, self._store.pick(layer, queries, self._frames))
            caches.append((rotated(self._adapter, keys), values))
            return caches[-1]

        read(self._adapter, question, retrieve)
        return lambda layer, _: caches[layer]
