"""HERMES once more, in plain Python and numpy float64, one token at a time: what the tensor code must agree with.

Written from the published description of the algorithm and the decisions that the product documents (who wins a
tie, where a summary goes), not from the tensor code. Slow and obvious on purpose.
"""

from dataclasses import dataclass, replace
from math import exp

import numpy as np

MERGED = (-1, -1)


@dataclass(frozen=True)
class Token:
    identity: tuple[int, int]  # (frame, patch); MERGED for a summary
    key: np.ndarray  # [kv_heads, head_dim] float64
    value: np.ndarray
    position: tuple[int, ...]
    count: int = 1


Layer = list[Token]


def compact(memory: list[Layer], attention: np.ndarray, keep: int, parameters) -> list[Layer]:
    """Evict down to ``keep`` tokens in every layer, as the parameters say. Positions are not re-numbered."""
    if len(memory[0]) <= keep:
        return memory
    scores = _smoothed(memory, _scores(memory, attention, parameters), parameters)
    newest = max(token.identity[0] for token in memory[0])
    return [
        _compact_layer(layer, scores[depth], keep, newest, _tier(depth, len(memory)), parameters)
        for depth, layer in enumerate(memory)
    ]


def _tier(layer: int, layers: int) -> str:
    if layer < int(0.1 * layers):
        return "sensory"
    return "working" if layer < int(0.7 * layers) else "long-term"


def _scheduled(layer: int, layers: int, sensory: float, start: float, end: float, long_term: float) -> float:
    first, last = int(0.1 * layers), int(0.7 * layers)
    tier = _tier(layer, layers)
    if tier == "working":
        p = (layer - first) / (last - first)
        return start + p * (end - start)
    return sensory if tier == "sensory" else long_term


def _min_max(numbers: list[float]) -> list[float]:
    low, high = min(numbers), max(numbers)
    return [(x - low) / (high - low + 1e-6) for x in numbers]


def _scores(memory: list[Layer], attention: np.ndarray, parameters) -> list[list[float]]:
    layers, tokens = attention.shape
    rows = []
    for depth in range(layers):
        k = _scheduled(depth, layers, parameters.k_sensory, parameters.k_sensory, parameters.k_end or 0.5, 0.0)
        w = _scheduled(depth, layers, 1.0, parameters.w0, parameters.w1, 0.0)
        distances = [(tokens - 1 - i) / max(tokens - 1, 1) for i in range(tokens)]
        recency = _min_max([exp(-k * d) for d in distances])
        attended = _min_max([float(a) for a in attention[depth]])
        heavy = _min_max([value_norm(token) for token in memory[depth]])
        anchors = [
            token for token, recent in zip(memory[depth], in_recent_frames(memory[depth]), strict=True) if recent
        ]
        new = _min_max([-redundancy(token, anchors) for token in memory[depth]])
        v, n = parameters.value_weight, parameters.novelty_weight
        worth = [(1 - n) * ((1 - v) * a + v * h) + n * u for a, h, u in zip(attended, heavy, new, strict=True)]
        rows.append([(1 - w) * a + w * r for a, r in zip(worth, recency, strict=True)])
    return rows


def value_norm(token: Token) -> float:
    """A head's value is as heavy as it is long; a token's values are as heavy as those of its heads on average."""
    return float(np.linalg.norm(token.value, axis=1).mean())


def in_recent_frames(layer: Layer) -> list[bool]:
    """The newest frames that together hold at most a quarter of the tokens; at least the newest."""
    frames: list[int] = []
    for token in layer:
        frames.append(token.identity[0] if token.identity != MERGED else (frames[-1] if frames else -1))
    return [frames.index(f) >= len(layer) - len(layer) // 4 or f == frames[-1] for f in frames]


def redundancy(token: Token, anchors: list[Token]) -> float:
    """Mean cosine to the anchors of the same patch."""
    same_patch = [anchor for anchor in anchors if anchor.identity[1] == token.identity[1]]
    return float(np.mean([cosine(token, anchor) for anchor in same_patch])) if same_patch else 0.0


def cosine(one: Token, other: Token) -> float:
    """Mean over KV heads of the cosine of two keys."""
    dot = (one.key * other.key).sum(axis=1)
    return float(np.mean(dot / np.linalg.norm(one.key, axis=1) / np.linalg.norm(other.key, axis=1)))


def _smoothed(memory: list[Layer], scores: list[list[float]], parameters) -> list[list[float]]:
    if parameters.smoothing == "none":
        return scores
    layers = len(scores)
    shares = {
        "sensory": parameters.gamma_sensory,
        "working": parameters.gamma_working,
        "long-term": parameters.gamma_long_term,
    }
    result = [list(row) for row in scores]
    for depth in reversed(range(layers - 1)):
        g = shares[_tier(depth, layers)]
        if parameters.smoothing == "index":
            above = dict(enumerate(result[depth + 1]))
            names = list(range(len(memory[depth])))
        else:
            pairs = zip(memory[depth + 1], result[depth + 1], strict=True)
            above = {token.identity: s for token, s in pairs if token.identity != MERGED}
            names = [token.identity for token in memory[depth]]
        for i, name in enumerate(names):
            if name in above:
                result[depth][i] = (1 - g) * scores[depth][i] + g * above[name]
    return result


def _compact_layer(layer: Layer, scores: list[float], keep: int, newest: int, tier: str, parameters) -> Layer:
    summarises = tier == "long-term" and parameters.summary != "none"
    places = keep - 1 if summarises else keep

    def wanted(i: int) -> tuple[int, float, int]:
        token = layer[i]
        if token.identity == MERGED:
            return (-1 if parameters.summary == "counted" else 0, scores[i], i)
        if token.identity[0] > newest - parameters.recent_frames:
            return (1, 0.0, i)  # protected: among themselves the newest win
        return (0, scores[i], i)  # of equals the newer wins

    winners = sorted(range(len(layer)), key=wanted, reverse=True)[:places]
    kept = {i: layer[i] for i in winners}
    if not summarises:
        return [kept[i] for i in sorted(kept)]
    losers = [i for i in range(len(layer)) if i not in kept]
    summary = _merge([layer[i] for i in losers], counted=parameters.summary == "counted")
    if parameters.summary_place == "oldest":
        kept[losers[0]] = replace(summary, position=layer[losers[0]].position)
        return [kept[i] for i in sorted(kept)]
    ordered = [kept[i] for i in sorted(kept)]
    behind = 1 + max(max(token.position) for token in ordered)
    return [*ordered, replace(summary, position=(behind,) * len(layer[0].position))]


def _merge(tokens: list[Token], *, counted: bool) -> Token:
    weights = [token.count if counted else 1 for token in tokens]
    total = sum(weights)
    return Token(
        identity=MERGED,
        key=sum(w * token.key for w, token in zip(weights, tokens, strict=True)) / total,
        value=sum(w * token.value for w, token in zip(weights, tokens, strict=True)) / total,
        position=(),
        count=sum(token.count for token in tokens),
    )


def renumber(memory: list[Layer], before: list[Layer], mode: str, first: int, limit: int) -> list[Layer]:
    """Re-number the layers that the rule names, every axis to the rank of its distinct positions.

    A summary at the end is text-like: one more than the largest of all the others on every axis.
    """
    together = max(map(_largest, before)) >= limit
    result = []
    for layer in memory:
        due = {"eager": True, "lazy": _largest(layer) >= limit, "lazy_together": together}[mode]
        result.append(_renumbered(layer, first) if due else layer)
    return result


def _largest(layer: Layer) -> int:
    return max(max(token.position) for token in layer)


def _renumbered(layer: Layer, first: int) -> Layer:
    if layer[-1].identity != MERGED or len(layer) == 1:
        return _ranked(layer, first)
    others = _ranked(layer[:-1], first)
    return [*others, replace(layer[-1], position=(1 + _largest(others),) * len(layer[-1].position))]


def _ranked(layer: Layer, first: int) -> Layer:
    axes = range(len(layer[0].position))
    ranks = [{p: first + r for r, p in enumerate(sorted({token.position[a] for token in layer}))} for a in axes]
    return [replace(token, position=tuple(ranks[a][token.position[a]] for a in axes)) for token in layer]
