"""Attention over a cache of fixed size, head by head and in pieces, is a plain softmax over what each token sees."""

import pytest
import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import FLASH, Kernels
from hermes_ray.engine.graphs.head_rows import HeadRows, per_head
from hermes_ray.engine.graphs.numbers import Numbers
from hermes_ray.engine.graphs.token_rows import TokenRows
from tests.unit.engine.plain_kernel import PLAIN

HEADS, KV_HEADS, HEAD_DIM, ROWS, COLUMNS, SCALING = 6, 2, 32, 5, 96, 0.2
# Rows without new tokens, with nothing before them, with fewer keys than pieces, and full ones; many tokens and few.
PASSES = (
    ([0, 9, 1, 0, 30], [50, 9, 96, 0, 77]),
    ([1, 1, 1, 1, 1], [1, 2, 3, 4, 96]),
    ([60, 0, 0, 3, 0], [64, 0, 0, 9, 1]),
    ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0]),
)
ON_A_GPU = pytest.param("cuda", FLASH, torch.bfloat16, 3e-2, marks=pytest.mark.gpu)
devices = pytest.mark.parametrize(
    ("device", "kernels", "dtype", "tolerance"), [("cpu", PLAIN, torch.float32, 1e-5), ON_A_GPU]
)


def plain_softmax(queries: Tensor, cache: tuple[Tensor, Tensor], row: int, sees: int) -> Tensor:
    """One token's attention ``[heads, head_dim]``, head by head in float64, from queries ``[heads, head_dim]``."""
    held = [
        vectors.double().cpu()[:-KV_HEADS].view(ROWS, KV_HEADS, COLUMNS, HEAD_DIM)[row, :, :sees] for vectors in cache
    ]
    heads = []
    for head in range(HEADS):
        keys, values = (states[head // (HEADS // KV_HEADS)] for states in held)
        weights = (keys @ queries[head].double().cpu() * SCALING).softmax(dim=0)
        heads.append(weights @ values)
    return torch.stack(heads)


@devices
@pytest.mark.parametrize("room", [64, 512, 1024], ids=lambda tokens: f"{tokens} tokens")
def test_new_tokens_see_their_row_and_those_before_them(
    device: str, kernels: Kernels, dtype: torch.dtype, tolerance: float, room: int
) -> None:
    shape = HeadRows(rows=ROWS, tokens=room, kv_heads=KV_HEADS, columns=COLUMNS, scaling=SCALING, kernels=kernels)
    generator = torch.Generator().manual_seed(3)
    numbers = Numbers(shape.sizes, torch.device(device))
    for tokens, held in PASSES:
        cache = torch.randn((2, shape.cached, HEAD_DIM), generator=generator).to(device, dtype)
        queries = torch.randn((HEADS, room, HEAD_DIM), generator=generator).to(device, dtype)
        own = torch.randn((2, KV_HEADS, room, HEAD_DIM), generator=generator).to(device, dtype)
        numbers.fill(shape.numbers(tokens, held))
        for vectors, new in zip(cache, own, strict=True):
            vectors.index_copy_(0, numbers["where"], per_head(new[None]))
        actual = shape.attend(queries, (cache[0], cache[1]), (own[0], own[1]), numbers).double().cpu()
        assert actual.isfinite().all(), "not even what only fills up may spoil what is computed of it"
        token = 0
        for row, count in enumerate(tokens):
            for sees in range(held[row] - count + 1, held[row] + 1):
                expected = plain_softmax(queries[:, token], (cache[0], cache[1]), row, sees)
                torch.testing.assert_close(actual[token], expected, rtol=0, atol=tolerance)
                token += 1


@devices
def test_a_single_token_sees_all_that_its_row_holds(
    device: str, kernels: Kernels, dtype: torch.dtype, tolerance: float
) -> None:
    group = HEADS // KV_HEADS
    shape = TokenRows(
        rows=ROWS,
        kv_heads=KV_HEADS,
        group=group,
        columns=COLUMNS,
        scaling=SCALING,
        kernel=kernels.part,
        device=torch.device(device),
    )
    generator = torch.Generator().manual_seed(4)
    cache = torch.randn((2, ROWS * KV_HEADS * COLUMNS + KV_HEADS, HEAD_DIM), generator=generator).to(device, dtype)
    queries = torch.randn((ROWS, KV_HEADS, group, HEAD_DIM), generator=generator).to(device, dtype)
    for lengths in ([1, 2, 17, 95, 96], [96, 1, 1, 1, 40]):
        ends = shape.key_ends(torch.tensor(lengths, device=device))
        actual = shape.attend(queries, (cache[0], cache[1]), ends).double().cpu()
        for row, sees in enumerate(lengths):
            expected = plain_softmax(queries[row].flatten(0, 1), (cache[0], cache[1]), row, sees)
            torch.testing.assert_close(actual[row].flatten(0, 1), expected, rtol=0, atol=tolerance)
