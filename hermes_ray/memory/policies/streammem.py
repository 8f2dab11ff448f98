"""StreamMem: attention of the chat template's tokens, and a prototype of what each frame lost (arXiv 2508.15717)."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from hermes_ray.memory.identity import find, group_sum, group_vector_sum, identities
from hermes_ray.memory.policies.base import Probe, best, ranking
from hermes_ray.memory.positions import dense_rank
from hermes_ray.memory.view import SUMMARY, MemoryView, at_least_float32

_SMALLEST_WEIGHT = 1e-12


@dataclass(frozen=True, slots=True)
class StreamMem:
    """Merge near-equal consecutive frames, keep the top tokens by attention, and one prototype per frame.

    Two readings of the paper are fixed here. It compares frames by their vision features before encoding; this
    memory compares their cached keys, which carry no rotation, less the bias of the key projection: Qwen2's can be tens
    of times as long as what differs between tokens, and with it any two frames would be alike. And prototypes, one
    per frame that loses tokens, may take at most a share of the budget (the best-attended frames first), or a long
    stream would consist of nothing else; at the next compaction a prototype is a token like any other.

    Attributes:
        similar: mean cosine of the keys of two consecutive frames above which they are merged.
        prototype_divisor: prototypes take at most ``keep // prototype_divisor`` tokens.
        key_bias: what is in every key, [layers, kv_heads, head_dim]; ``None`` for nothing.
    """

    similar: float = 0.95
    prototype_divisor: int = 8
    key_bias: Tensor | None = field(default=None, repr=False, compare=False)
    name: str = "streammem"
    probe: Probe = Probe.TEMPLATE
    joint: bool = True

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Keep the best tokens by attention and, in what is left of ``keep``, prototypes of the frames' evicted."""
        if view.tokens <= keep:
            return view
        assert attention is not None, "streammem needs the attention of its probe"
        bias = None if self.key_bias is None else self.key_bias.repeat_interleave(streams, dim=0)
        merged, absorbed = merge_similar_frames(view, self.similar, view.tokens - keep, key_bias=bias)
        scores = attention.double().masked_fill(absorbed, -1.0)
        prototypes = max(keep // self.prototype_divisor, 1)
        rest = ranking(scores)[:, : view.tokens - keep + prototypes]
        stands = _representatives(merged.frames.gather(1, rest)) & (scores.gather(1, rest) >= 0)
        place = torch.arange(rest.shape[1], device=view.device)
        chosen = best(place + stands * rest.shape[1], prototypes)
        filled = _with_prototypes(merged, scores, rest, chosen, stands)
        dropped = torch.zeros_like(absorbed).scatter_(1, rest, True)
        dropped.scatter_(1, rest.gather(1, chosen), False)
        return filled.gather((~dropped).to(torch.int8).argsort(dim=1, stable=True)[:, -keep:])


def merge_similar_frames(
    view: MemoryView, similar: float, at_most: int, *, key_bias: Tensor | None = None
) -> tuple[MemoryView, Tensor]:
    """Merge each token into the same patch of the next frame, where the two frames look alike.

    Chains of alike frames end up in the newest one, weighted by counts.

    Args:
        view: the memory.
        similar: mean cosine of the keys above which two consecutive frames are alike.
        at_most: the most tokens per layer to merge away, the oldest first.
        key_bias: taken from every key before they are compared, [rows, kv_heads, head_dim].

    Returns:
        The memory with the merged tokens rewritten, and [rows, N] bool: the tokens merged away.
    """
    successor, found = find(identities(view.frames + 1, view.patches), identities(view.frames, view.patches))
    found &= (view.frames >= 0) & (view.patches >= 0)
    later = successor[:, None, :, None].expand_as(view.keys)
    keys = at_least_float32(view.keys)
    if key_bias is not None:
        keys = keys - key_bias[:, :, None]
    cosine = cosine_similarity(keys, keys.gather(2, later), dim=-1).mean(dim=1).double()
    frame = dense_rank(view.frames.long())
    pairs = group_sum(found.double(), frame)
    alike = group_sum(cosine.masked_fill(~found, 0.0), frame) > similar * pairs
    absorbed = found & alike
    absorbed &= absorbed.cumsum(dim=1) <= at_most
    target = torch.where(absorbed, successor, torch.arange(view.tokens, device=view.device))
    for _ in range(view.tokens.bit_length()):  # pointer doubling: every chain ends at its newest token
        target = target.gather(1, target)
    return _merge_into(view, target), absorbed


def _merge_into(view: MemoryView, target: Tensor) -> MemoryView:
    """Replace each token by the mean, weighted by counts, of those whose ``target`` ([rows, N]) it is."""
    counts = view.counts.double()
    totals = torch.zeros_like(counts).scatter_add_(1, target, counts)
    share = (counts / totals.gather(1, target))[:, None, :, None].float()
    is_target = (totals > 0)[:, None, :, None]
    keys = group_vector_sum(at_least_float32(view.keys) * share, target).to(view.keys.dtype)
    values = group_vector_sum(at_least_float32(view.values) * share, target).to(view.values.dtype)
    return replace(
        view,
        keys=torch.where(is_target, keys, view.keys),
        values=torch.where(is_target, values, view.values),
        counts=totals.clamp(max=torch.iinfo(torch.int32).max).masked_fill(totals <= 0, 1).to(view.counts.dtype),
    )


def _representatives(frames: Tensor) -> Tensor:
    """The last token of each frame in every row, [rows, R] bool: of tokens in ascending score the best-attended."""
    reverse = frames.flip(1)
    ordered, origin = reverse.sort(dim=1, stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return torch.zeros_like(first).scatter_(1, origin, first).flip(1)


def _with_prototypes(view: MemoryView, scores: Tensor, rest: Tensor, chosen: Tensor, stands: Tensor) -> MemoryView:
    """Rewrite the chosen representatives as the attention-weighted mean of what their frames lose.

    Args:
        view: the memory.
        scores: [rows, N] float64, negative for tokens merged away already.
        rest: [rows, R], the tokens that are not among the best.
        chosen: [rows, P], indices into ``rest``: those that stay nonetheless.
        stands: [rows, R] bool: those of ``rest`` that represent their frame.
    """
    lost = view.gather(rest)
    stays = torch.zeros_like(stands).scatter_(1, chosen, True)
    attended = scores.gather(1, rest)
    usable = (attended >= 0) & (stands | ~stays)
    weight = (attended.clamp(min=_SMALLEST_WEIGHT) * lost.counts).masked_fill(~usable, 0.0)
    frame = dense_rank(lost.frames.long())
    share = (weight / group_sum(weight, frame).clamp(min=_SMALLEST_WEIGHT))[:, None, :, None].float()
    counts = group_sum(lost.counts.double().masked_fill(~usable, 0.0), frame).clamp_(max=torch.iinfo(torch.int32).max)
    is_prototype = stands & stays & (counts > lost.counts)
    index = frame[:, None, :, None].expand_as(lost.keys)
    keys = group_vector_sum(at_least_float32(lost.keys) * share, frame).gather(2, index)
    values = group_vector_sum(at_least_float32(lost.values) * share, frame).gather(2, index)
    return _scattered(view, rest, lost, is_prototype, keys, values, counts)


def _scattered(
    view: MemoryView, rest: Tensor, lost: MemoryView, chosen: Tensor, keys: Tensor, values: Tensor, counts: Tensor
) -> MemoryView:
    """Write prototypes ([rows, kv_heads, R, head_dim]) over the ``chosen`` ([rows, R] bool) tokens of ``rest``."""
    wide = chosen[:, None, :, None]
    index = rest[:, None, :, None].expand_as(lost.keys)
    return replace(
        view,
        keys=view.keys.scatter(2, index, torch.where(wide, keys.to(lost.keys.dtype), lost.keys)),
        values=view.values.scatter(2, index, torch.where(wide, values.to(lost.values.dtype), lost.values)),
        patches=view.patches.scatter(1, rest, lost.patches.masked_fill(chosen, SUMMARY)),
        counts=view.counts.scatter(1, rest, torch.where(chosen, counts.to(lost.counts.dtype), lost.counts)),
    )
