"""The numbers and switches of HERMES, and its presets as values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

LLAVA_K_END = 0.5
"""Where the recency decay ends for LLaVA-OneVision, and for families of which the paper says nothing."""
QWEN_K_END = 8.0
"""Where the recency decay ends for Qwen2.5-VL."""


@dataclass(frozen=True, slots=True)
class HermesParameters:
    """Everything in which one HERMES differs from another.

    Attributes:
        true_attention: score by the model's own attention to the guidance prompts, rather than by attention
            computed from their bare embeddings.
        value_weight: in a token's worth, share of the norm of its value against attention, 0 to 1.
        novelty_weight: share of the novelty of its key against both, 0 to 1.
        recent_frames: newest frames that no layer evicts; 0 protects none.
        smoothing: mix a token's score with that of the *same token* in the next layer (``identity``), of the token
            at the same *index* there, or not at all.
        summary: what becomes of the evicted tokens of a long-term layer. ``counted``: merged into the layer's one
            summary, weighted by how many tokens each stands for, which is never evicted. ``averaged``: their plain
            mean is a new token like any other. ``none``: nothing.
        summary_place: ``oldest``: the summary takes the place and position of the oldest token merged into it.
            ``last``: it is appended behind the newest token, at the next position.
        w0: weight of recency in the first working layer, 0 to 1.
        w1: the weight that it approaches at the end of the working tier.
        k_sensory: decay rate of recency in sensory layers.
        k_end: the rate that it approaches at the end of the working tier; ``None`` for the model family's.
        gamma_sensory: share of the next layer's score in a smoothed score, in sensory layers, 0 to 1.
        gamma_working: the same in working layers.
        gamma_long_term: the same in long-term layers.
    """

    true_attention: bool = True
    value_weight: float = 0.0
    novelty_weight: float = 0.0
    recent_frames: int = 0
    smoothing: Literal["identity", "index", "none"] = "index"
    summary: Literal["counted", "averaged", "none"] = "averaged"
    summary_place: Literal["oldest", "last"] = "oldest"
    w0: float = 0.75
    w1: float = 0.15
    k_sensory: float = 20.0
    k_end: float | None = None
    gamma_sensory: float = 0.1
    gamma_working: float = 0.3
    gamma_long_term: float = 0.4


PAPER = HermesParameters(summary_place="last")
"""HERMES as published (arXiv 2601.14724)."""

REFERENCE = replace(PAPER, true_attention=False, w0=1.0, w1=0.1, k_end=LLAVA_K_END)
"""HERMES as its authors' released LLaVA code computes it."""

REFERENCE_OF_QWEN = replace(REFERENCE, w0=0.75, w1=0.15, k_end=QWEN_K_END)
"""HERMES as its authors' released Qwen2.5-VL code computes it."""

HERMES = replace(
    PAPER,
    value_weight=0.5,
    novelty_weight=0.67,
    recent_frames=4,
    smoothing="identity",
    summary="counted",
    summary_place="oldest",
)
"""The default: the paper's method with this project's improvements."""

PRESETS: Mapping[str, HermesParameters] = {"hermes": HERMES, "paper": PAPER, "reference": REFERENCE}

ABLATIONS: Mapping[str, HermesParameters] = {
    "hermes-without-true-attention": replace(HERMES, true_attention=False),
    "hermes-without-value-norms": replace(HERMES, value_weight=0.0),
    "hermes-without-novelty": replace(HERMES, novelty_weight=0.0),
    "hermes-without-recent-frames": replace(HERMES, recent_frames=0),
    "hermes-without-identity-smoothing": replace(HERMES, smoothing="index"),
    "hermes-without-smoothing": replace(HERMES, smoothing="none"),
    "hermes-without-counted-summary": replace(HERMES, summary="averaged"),
    "hermes-without-summary": replace(HERMES, summary="none"),
}
"""The default with one improvement switched off, by name."""


def preset(name: str, k_end: float) -> HermesParameters:
    """A preset for a model family.

    Args:
        name: of :data:`PRESETS`.
        k_end: where the family's recency decay ends; the released code has other constants for Qwen2.5-VL.
    """
    return REFERENCE_OF_QWEN if name == "reference" and k_end == QWEN_K_END else PRESETS[name]
