"""The same weights in transformers with a ``DynamicCache`` of the same number of tokens, and none of our code."""

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.timing import repeated
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median

_FRAMES = 5


def measure(bench: Bench) -> Iterator[Figure]:
    """Copy the cache, read a question, write an answer; then encode frames."""
    bench.doing("transformers with its own cache")
    alone = _Alone(bench)
    times = [alone.answer(bench.plan.level_tokens) for _ in repeated(bench.plan.seconds, least=4)][1:]
    first, each = median([t[0] for t in times]), median([t[1] for t in times])
    bench.alone_ms |= {"ttft": first, "token": each}
    detail = {"answers": len(times), "cached_tokens": bench.subject.budget, "answer_tokens": bench.plan.level_tokens}
    copied = "a private copy of the cache first, as the engine makes one; greedy"
    yield bench.figure("transformers_ttft", first, "ms", detail, copied)
    yield bench.figure("transformers_token", each, "ms", detail, "time per further token of one answer")
    frame = median([alone.frame() for _ in repeated(bench.plan.seconds / 2, least=2, most=_FRAMES)][1:])
    yield bench.figure("transformers_frame", frame, "ms", {"vision": False}, "a frame's tokens through the decoder")


class _Alone:
    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        decoder = bench.subject.adapter.decoder
        self._model: Any = decoder.language_model
        self._head: Any = decoder.lm_head
        shape = decoder.shape
        generator = torch.Generator(decoder.device).manual_seed(bench.plan.seed)
        size = (1, shape.kv_heads, bench.subject.budget, shape.head_dim)
        self._cached = [
            tuple(torch.randn(size, device=decoder.device, generator=generator).to(decoder.dtype) for _ in range(2))
            for _ in range(shape.layers)
        ]
        self._question = bench.subject.embedded_question()[None]
        tokens = bench.subject.adapter.max_tokens_per_block
        frame = torch.randn((1, tokens, shape.hidden), device=decoder.device, generator=generator)
        self._frame = frame.to(decoder.dtype) * 0.02

    @torch.inference_mode()
    def answer(self, tokens: int) -> tuple[float, float]:
        """Time to the first token, and the mean per further one, milliseconds."""
        self._bench.subject.wait()
        began_s = perf_counter()
        cache = self._copied()
        token = self._next(cache, inputs_embeds=self._question)
        first_s = perf_counter()
        for _ in range(tokens - 1):
            token = self._next(cache, input_ids=token[None, None])
        return (first_s - began_s) * 1000, (perf_counter() - first_s) * 1000 / (tokens - 1)

    @torch.inference_mode()
    def frame(self) -> float:
        """Time to encode one frame's tokens, milliseconds."""
        cache = self._copied()
        self._bench.subject.wait()
        began_s = perf_counter()
        self._model(inputs_embeds=self._frame, past_key_values=cache, use_cache=True)
        self._bench.subject.wait()
        return (perf_counter() - began_s) * 1000

    def _copied(self) -> DynamicCache:
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self._cached):
            cache.update(keys.clone(), values.clone(), layer)
        return cache

    def _next(self, cache: DynamicCache, **inputs: Tensor) -> Tensor:
        hidden = self._model(**inputs, past_key_values=cache, use_cache=True).last_hidden_state
        token = self._head(hidden[0, -1]).argmax()
        token.item()  # a caller shows it before the next one is made
        return token
