"""What every memory policy offers, and the selection they share."""

from enum import Enum
from typing import Protocol

from torch import Tensor

from hermes_ray.memory.view import MemoryView


class Probe(Enum):
    """The attention that a policy needs to see before it can decide. The engine computes it."""

    NONE = "none"
    """Nothing."""
    GUIDANCE = "guidance"
    """The model's own attention from guidance prompts that ride on the encoding pass."""
    EMBEDDINGS = "embeddings"
    """Attention from the bare token embeddings of the guidance prompts, in every layer, as in HERMES' released code."""
    TEMPLATE = "template"
    """The model's own attention from the tokens that its chat template puts behind the video (StreamMem)."""


class Policy(Protocol):
    """Decides which tokens of a full memory stay, and what is merged."""

    @property
    def name(self) -> str:
        """The name in the configuration, or a description of a variant."""
        ...

    @property
    def probe(self) -> Probe:
        """The attention that :meth:`compact` must be given."""
        ...

    @property
    def joint(self) -> bool:
        """Whether memories of several streams can be compacted in one call.

        Where numbers of tokens decide alone how many stay, they can. That makes it one set of operations for all of
        them, and starting an operation is what costs, on a GPU and for small models.
        """
        ...

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Choose at most ``keep`` tokens per layer, the same number in every layer, oldest first.

        Positions are left as they were; :func:`hermes_ray.memory.compaction.compact` re-numbers them.

        Args:
            view: the visual tokens, N per layer. Not modified.
            attention: [rows, N] float32: for every layer the softmax attention of its probe tokens to the N
                visual tokens, averaged over query heads and probe tokens; zeros in layers that need none.
                ``None`` when ``probe`` is :attr:`Probe.NONE`.
            keep: the most tokens a layer may hold afterwards, at least 1.
            streams: whose memories the view holds. What becomes of one does not depend on the others.
        """
        ...


def ranking(priorities: Tensor) -> Tensor:
    """Order tokens by priority, lowest first; of two equal ones the older comes first, so the newer is kept.

    Args:
        priorities: [rows, N], any real dtype.

    Returns:
        [rows, N] int64 indices, the same on every device.
    """
    return priorities.argsort(dim=1, stable=True)


def best(priorities: Tensor, keep: int) -> Tensor:
    """Indices of the ``keep`` tokens with the highest priorities, back in stream order: [rows, keep] int64."""
    return ranking(priorities)[:, -keep:].sort(dim=1).values
