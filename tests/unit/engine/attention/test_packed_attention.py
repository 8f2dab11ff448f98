"""Rows of a pass attend to their slots, and to nothing else, whichever way attention is computed."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import Flash, packed_attention
from hermes_ray.engine.attention.packed import PackedAttentionKind, PackedRow
from hermes_ray.engine.attention.row_by_row import RowByRow
from hermes_ray.memory.slab import KVSlab, SlabShape
from hermes_ray.models import ModelAdapter
from hermes_ray.models.parts.rotary import RotaryTable
from tests.unit.engine.plain_kernel import packed_softmax

HEADS, KV_HEADS, HEAD_DIM, LAYERS = 6, 2, 32, 2
SCALING = 0.2
# Neither in order of their slots nor of one length; one has nothing but its new tokens, one brings a single token.
ROWS = [PackedRow(3, 4, 17), PackedRow(0, 9, 9), PackedRow(2, 1, 24), PackedRow(4, 9, 30)]


def slab_of_noise(device: str, dtype: torch.dtype, *, keys_rotated: bool) -> KVSlab:
    """What lies behind a slot's tokens would show in any result."""
    shape = SlabShape(layers=LAYERS, slots=5, kv_heads=KV_HEADS, capacity=32, head_dim=HEAD_DIM)
    slab = KVSlab(shape, prefix=2, dtype=dtype, device=torch.device(device), keys_rotated=keys_rotated)
    generator = torch.Generator().manual_seed(1)
    slab.keys.copy_(torch.randn(slab.keys.shape, generator=generator))
    slab.values.copy_(torch.randn(slab.values.shape, generator=generator))
    slab.positions.copy_(torch.randint(0, 200, slab.positions.shape, generator=generator))
    for row in ROWS:
        slab.keys[:, row.slot, :, row.held :] = slab.values[:, row.slot, :, row.held :] = torch.nan
    return slab


def plain_softmax(queries: Tensor, slab: KVSlab, rotary: RotaryTable, layer: int) -> Tensor:
    """Head by head and token by token, in float64 on the CPU."""
    results, begin = [], 0
    for row in ROWS:
        keys, values = (tensor[layer, row.slot, :, : row.held] for tensor in (slab.keys, slab.values))
        if not slab.keys_rotated:
            keys = rotary.rotate(keys, slab.positions[layer, row.slot, : row.held])
        keys, values = keys.double().cpu(), values.double().cpu()
        for token in range(row.tokens):
            sees = row.held - row.tokens + token + 1
            heads = []
            for head in range(HEADS):
                shared = head // (HEADS // KV_HEADS)
                query = queries[head, begin + token].double().cpu()
                weights = (keys[shared, :sees] @ query * SCALING).softmax(dim=0)
                heads.append(weights @ values[shared, :sees])
            results.append(torch.stack(heads))
        begin += row.tokens
    return torch.stack(results)


def flash_without_a_gpu(rows: list[PackedRow], slab: KVSlab, rotary: RotaryTable, scaling: float) -> Flash:
    return Flash(rows, slab, rotary, scaling, kernel=packed_softmax)


def check(kind: PackedAttentionKind, slab: KVSlab, rotary: RotaryTable, tolerance: float) -> None:
    """Compare with :func:`plain_softmax` in every layer, and what is read for the probes with the slab."""
    tokens = sum(row.tokens for row in ROWS)
    queries = torch.randn((HEADS, tokens, HEAD_DIM), generator=torch.Generator().manual_seed(2)).to(slab.keys)
    attention = kind(ROWS, slab, rotary, SCALING)
    for layer in range(LAYERS):
        held = attention.read(layer)
        attended = held.attend(queries).double().cpu()
        torch.testing.assert_close(attended, plain_softmax(queries, slab, rotary, layer), rtol=0, atol=tolerance)
        for index, row in enumerate(ROWS):
            keys, values = held.row(index)
            assert keys.shape == values.shape == (KV_HEADS, row.held, HEAD_DIM)
            assert values.equal(slab.values[layer, row.slot, :, : row.held])


@pytest.fixture
def rotary(adapter: ModelAdapter) -> RotaryTable:
    """Of a model with this head size."""
    assert adapter.decoder.shape.head_dim == HEAD_DIM
    return adapter.rotary


@pytest.mark.parametrize("keys_rotated", [False, True], ids=["un-rotated", "rotated"])
@pytest.mark.parametrize("kind", [RowByRow, flash_without_a_gpu])
def test_attention_of_packed_rows_is_a_plain_softmax(
    kind: Callable[..., RowByRow | Flash], rotary: RotaryTable, keys_rotated: bool
) -> None:
    check(kind, slab_of_noise("cpu", torch.float32, keys_rotated=keys_rotated), rotary, 1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_attention_of_packed_rows_on_a_gpu(adapter: ModelAdapter, dtype: torch.dtype) -> None:
    rotary = RotaryTable(deepcopy(adapter.decoder.rotary).cuda(), 200, dtype=dtype, device=torch.device("cuda"))
    slab = slab_of_noise("cuda", dtype, keys_rotated=False)
    expected = Flash if dtype == torch.bfloat16 else RowByRow
    assert packed_attention(slab) is expected
    check(expected, slab, rotary, 1e-5 if dtype == torch.float32 else 3e-2)
