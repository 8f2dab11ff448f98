"""A decoder of LLaVA-OneVision-0.5B's shape with random weights: its speed is real, its words mean nothing."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

from hermes_ray.bench.features import FeatureBank
from hermes_ray.bench.llava_shapes import TOKENS_PER_FRAME
from hermes_ray.bench.random_numbers import fill
from hermes_ray.models import FrameGroup, GuidanceTexts, ModelAdapter, Turn, VisualBlock
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable
from hermes_ray.models.tiny.architecture import MAX_POSITIONS
from hermes_ray.models.tiny.tokenizer import build_tokenizer

_PREFIX_TOKENS = 14
_BEFORE_QUESTION_TOKENS = 2
_AFTER_QUESTION_TOKENS = 5
_TOKENS_PER_WORD = 1.2  # of English text under Qwen's tokenizer, punctuation included
_FRAMES_IN_BANK = 16


class RandomLlava(ModelAdapter):
    """A random decoder; frames are tickets for random features, words are random token ids.

    Prompts have as many tokens as LLaVA-OneVision's template and tokenizer make of the same text, nearly.

    Args:
        config: sizes of the decoder.
        seed: weights and features depend on it alone.
    """

    family = "llava_onevision"

    def __init__(self, config: Qwen2Config, *, seed: int = 0) -> None:
        self.name = "llava-onevision-0.5b-shape"
        self.guidance = GuidanceTexts()
        self.is_meaningful = False
        self.tokenizer = build_tokenizer(MAX_POSITIONS)
        generator = torch.Generator().manual_seed(seed)
        language_model = _random_model(config, generator)
        self.decoder = Decoder(language_model.model, language_model.lm_head)
        self.rotary = RotaryTable(
            self.decoder.rotary, self.decoder.shape.max_positions, dtype=self.dtype, device=self.device
        )
        features = torch.randn((_FRAMES_IN_BANK, TOKENS_PER_FRAME, self.decoder.shape.hidden), generator=generator)
        self.bank = FeatureBank(features * 0.02)

    @property
    def max_tokens_per_block(self) -> int:
        """Tokens of a frame."""
        return TOKENS_PER_FRAME

    @property
    def stop_ids(self) -> frozenset[int]:
        """None: an answer is as long as it may be, so that runs are comparable."""
        return frozenset()

    def prefix(self) -> Tensor:
        """A system prompt and the beginning of the user's turn."""
        return self._words("prefix", _PREFIX_TOKENS)

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """See :meth:`FeatureBank.preprocess`."""
        return self.bank.preprocess(image)

    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """See :meth:`FeatureBank.encode`."""
        return self.bank.encode(groups)

    def question(self, text: str, history: Sequence[Turn] = (), instructions: str | None = None) -> Tensor:
        """As many tokens as the template and the text would have; benchmarks hold no conversations."""
        assert not history and not instructions
        return self._words(text, self._template_tokens + round(_TOKENS_PER_WORD * len(text.split())))

    def template(self) -> Tensor:
        """As :meth:`question`, without the text."""
        return self._words("template", self._template_tokens)

    @property
    def _template_tokens(self) -> int:
        return _BEFORE_QUESTION_TOKENS + _AFTER_QUESTION_TOKENS

    def _words(self, text: str, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
        return self.decoder.embed(torch.randint(self.decoder.shape.vocabulary, (count,), generator=generator))


def _random_model(config: Qwen2Config, generator: torch.Generator) -> Qwen2ForCausalLM:
    with torch.device("meta"):  # transformers' own initialisation would take longer than the quick benchmark
        model = Qwen2ForCausalLM(config)
    model = model.to_empty(device="cpu")
    model.tie_weights()
    fill(model, generator)
    # Its buffers came out of to_empty() unset.
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    return model.eval().requires_grad_(False)
