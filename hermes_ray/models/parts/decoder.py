"""The language decoder of a transformers model, taken apart so that attention and cache can be the engine's own.

The weights and modules stay the model's: projections, norms, MLPs, embeddings and the output head. What lies
between projecting queries, keys and values and joining the attended values back is left to the caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm

from hermes_ray.errors import UnsupportedModel


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """Sizes of a decoder.

    Attributes:
        max_positions: positions the model was trained for.
        axes: numbers of one position: 1, or 3 with multimodal RoPE.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    max_positions: int
    axes: int = 1


class Decoder:
    """A decoder of the Qwen2 or Qwen3 kind, walked layer by layer.

    Args:
        language_model: a transformers decoder with ``embed_tokens``, ``layers`` and ``norm``.
        lm_head: hidden states to vocabulary logits.
        axes: numbers of one position.

    Raises:
        UnsupportedModel: the decoder has layers whose attention is not full and causal.
    """

    def __init__(self, language_model: nn.Module, lm_head: nn.Module, axes: int = 1) -> None:
        config: Any = language_model.config
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if kinds != {"full_attention"}:
            raise UnsupportedModel(
                f"the decoder has {', '.join(sorted(kinds))} layers; only full attention is supported"
            )
        self._model: Any = language_model
        self._lm_head = lm_head
        self._layers: list[Any] = list(language_model.layers)  # pyright: ignore[reportArgumentType]
        first = self._layers[0].self_attn
        self.scaling = float(first.scaling)
        self.shape = DecoderShape(
            layers=len(self._layers),
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=first.head_dim,
            hidden=config.hidden_size,
            vocabulary=config.vocab_size,
            max_positions=config.max_position_embeddings,
            axes=axes,
        )

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids ``[...]`` int64 to embeddings ``[..., hidden]``."""
        return self._model.embed_tokens(ids)

    def project(self, layer: int, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of one layer, before rotary embedding.

        Args:
            layer: layer index.
            hidden: ``[batch, tokens, hidden]``.

        Returns:
            ``[batch, heads, tokens, head_dim]`` and twice ``[batch, kv_heads, tokens, head_dim]``.
        """
        block = self._layers[layer]
        attention = block.self_attn
        normed = _normed(hidden, block.input_layernorm)
        per_head = (*hidden.shape[:-1], -1, self.shape.head_dim)
        queries = attention.q_proj(normed).view(per_head)
        keys = attention.k_proj(normed).view(per_head)
        values = attention.v_proj(normed).view(per_head)
        if hasattr(attention, "q_norm"):
            queries, keys = _normed(queries, attention.q_norm), _normed(keys, attention.k_norm)
        return queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2)

    def finish(self, layer: int, hidden: Tensor, attended: Tensor) -> Tensor:
        """The rest of one layer: output projection, residuals and MLP.

        Args:
            layer: layer index.
            hidden: ``[batch, tokens, hidden]``, what went into :meth:`project`.
            attended: ``[batch, heads, tokens, head_dim]``.

        Returns:
            ``[batch, tokens, hidden]``, the layer's output.
        """
        block = self._layers[layer]
        merged = attended.transpose(1, 2).flatten(2)
        hidden = hidden + block.self_attn.o_proj(merged)
        return hidden + block.mlp(_normed(hidden, block.post_attention_layernorm))

    def logits(self, hidden: Tensor) -> Tensor:
        """Last layer's output ``[..., hidden]`` to float32 logits ``[..., vocabulary]``."""
        return self._lm_head(_normed(hidden, self._model.norm)).float()

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights, output head excluded, with their names in the language model."""
        return self._model.named_parameters()

    @property
    def key_bias(self) -> Tensor | None:
        """What the projection adds to every key, ``[layers, kv_heads, head_dim]``; ``None`` where it adds nothing.

        Also where keys are normalised behind the projection (Qwen3): then nothing is the same in every key.
        """
        projections = [layer.self_attn.k_proj for layer in self._layers]
        if projections[0].bias is None or hasattr(self._layers[0].self_attn, "k_norm"):
            return None
        return torch.stack([projection.bias.detach().view(-1, self.shape.head_dim) for projection in projections])

    @property
    def language_model(self) -> nn.Module:
        """The transformers module that is taken apart here."""
        return self._model

    @property
    def lm_head(self) -> nn.Module:
        """The model's own output head."""
        return self._lm_head

    @property
    def rotary(self) -> nn.Module:
        """The model's own rotary embedding module."""
        return self._model.rotary_emb

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._model.embed_tokens.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights and of hidden states."""
        return self._model.embed_tokens.weight.dtype


def _normed(states: Tensor, norm: Any) -> Tensor:
    """What one of the model's RMSNorm modules makes of ``states``, in one call instead of its six."""
    return rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)
