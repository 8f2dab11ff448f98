"""InfiniPot-V and StreamMem once more, token by token in numpy float64, as their docstrings describe them."""

from dataclasses import replace

import numpy as np
from oracle import Layer, Token, cosine, in_recent_frames, redundancy, value_norm


def infinipot_v(layer: Layer, keep: int) -> Layer:
    """Recent frames and, in what they leave of one half, TaR; VaN for the rest."""
    tokens = len(layer)
    if tokens <= keep:
        return layer
    recent = in_recent_frames(layer)
    kept = [i for i in reversed(range(tokens)) if recent[i]][:keep]
    past = [i for i in range(tokens) if not recent[i]]
    by_redundancy = max(0, keep - keep // 2 - len(kept))
    anchors = [layer[i] for i in range(tokens) if recent[i]]
    kept += sorted(past, key=lambda i: redundancy(layer[i], anchors))[:by_redundancy]
    others = sorted((i for i in past if i not in kept), key=lambda i: value_norm(layer[i]), reverse=True)
    kept += others[: keep - len(kept)]
    return [layer[i] for i in sorted(kept)]


def streammem(layer: Layer, attention: np.ndarray, keep: int) -> Layer:
    """Merge alike frames, keep the best tokens, and one prototype per frame that loses some."""
    if len(layer) <= keep:
        return layer
    layer, absorbed = _merge_alike(layer, len(layer) - keep)
    prototypes = max(keep // 8, 1)
    usable = sorted((i for i in range(len(layer)) if i not in absorbed), key=lambda i: attention[i], reverse=True)
    kept, rest = usable[: keep - prototypes], usable[keep - prototypes :]
    leaders: dict[int, int] = {}
    for i in rest:
        leaders.setdefault(layer[i].identity[0], i)
    chosen = list(leaders.values())[:prototypes]
    fill = [i for i in rest if i not in chosen][: prototypes - len(chosen)]
    result = {i: layer[i] for i in [*kept, *fill]}
    for leader in chosen:
        frame = layer[leader].identity[0]
        members = [i for i in rest if layer[i].identity[0] == frame and i not in fill]
        result[leader] = _prototype(layer, leader, members, attention)
    return [result[i] for i in sorted(result)]


def _merge_alike(layer: Layer, at_most: int) -> tuple[Layer, set[int]]:
    place = {token.identity: i for i, token in enumerate(layer) if min(token.identity) >= 0}
    successor = {i: place[f + 1, p] for (f, p), i in place.items() if (f + 1, p) in place}
    cosines: dict[int, list[float]] = {}
    for i, later in successor.items():
        cosines.setdefault(layer[i].identity[0], []).append(cosine(layer[i], layer[later]))
    alike = {f for f, values in cosines.items() if np.mean(values) > 0.95}
    absorbed = sorted(i for i in successor if layer[i].identity[0] in alike)[:at_most]
    members: dict[int, list[int]] = {}
    for i in range(len(layer)):
        end = i
        while end in absorbed:
            end = successor[end]
        members.setdefault(end, []).append(i)
    merged = list(layer)
    for end, group in members.items():
        merged[end] = _mean(layer, group, [layer[i].count for i in group], layer[end])
    return merged, set(absorbed)


def _prototype(layer: Layer, leader: int, members: list[int], attention: np.ndarray) -> Token:
    if members == [leader]:
        return layer[leader]
    merged = _mean(layer, members, [float(attention[i]) * layer[i].count for i in members], layer[leader])
    return replace(merged, identity=(layer[leader].identity[0], -1))


def _mean(layer: Layer, members: list[int], weights: list[float], into: Token) -> Token:
    pairs = [(w / sum(weights), layer[i]) for w, i in zip(weights, members, strict=True)]
    return replace(
        into,
        key=sum(w * token.key for w, token in pairs),
        value=sum(w * token.value for w, token in pairs),
        count=sum(layer[i].count for i in members),
    )
