"""Settings of the model and of the engine around it."""

from typing import Annotated, Literal

from pydantic import Field

from hermes_ray.config.section import Section as _Section


class ModelSettings(_Section):
    """Which model watches the streams."""

    name: str = "hermes-tiny"
    """A directory, a hub name, or a bundled model; ``hermes-tiny`` understands only the simulated camera's world."""
    device: str = "auto"
    """Torch device, or ``auto``: the first GPU if there is one, else the CPU."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """``auto`` is bfloat16 on a GPU and float32 on the CPU."""
    revision: str | None = None
    """Hub revision (branch, tag or commit). Pin it in production."""
    max_pixels_per_frame: Annotated[int, Field(ge=1024)] | None = None
    """Families that keep a frame's shape (Qwen) shrink it to at most this many pixels; ``null``: the family's limit.
    28 x 28 pixels (Qwen2.5-VL) or 32 x 32 (Qwen3-VL) become one token, shared by two frames."""


class EngineSettings(_Section):
    """What one step of the engine may do."""

    max_frames_per_step: Annotated[int, Field(ge=1)] = 16
    """The most frames that one step encodes, over all streams."""
    max_step_ms: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """How long a step of frames may take, milliseconds, and so how long a question waits for it; a step has at least
    one frame. ``auto``: as long as reading a question, for 10 s behind every question, else any time. Longer steps
    cost less a frame: where frames have waited for more than a second, the bound grows with that time."""
    cuda_graphs: Literal["auto", "off"] = "auto"
    """``auto``: on a GPU in half precision, passes of a few fixed shapes are captured at the start, compared with the
    same passes run eagerly, and repeated from then on, which takes the host's speed out of them. The start takes some
    seconds longer. ``off``: every pass runs eagerly."""
    max_frames_waiting: Annotated[int, Field(ge=1)] = 256
    """Frames accepted but not applied, over all streams; beyond it ingest is refused (backpressure)."""
    max_questions: Annotated[int, Field(ge=1)] = 8
    """Answers decoded together. Each holds a private copy of one stream's memory, preallocated."""
    max_questions_waiting: Annotated[int, Field(ge=0)] = 64
    """Questions queued beyond those; more are refused with ``overloaded``."""
    max_questions_ahead: Annotated[int, Field(ge=1)] = 64
    """Questions with ``as_of``, beside all those: they may wait for long, and take no place of the others."""
    max_questions_ahead_per_stream: Annotated[int, Field(ge=1)] = 16
    """How many of them may be about one stream."""
    max_sessions: Annotated[int, Field(ge=1)] = 1024
    """Conversations remembered. Beyond it, whoever has most (each API key by itself) loses the one not continued for
    longest."""
    max_question_tokens: Annotated[int, Field(ge=16)] = 512
    """Tokens of one question with its chat template, and with the conversation that came with it."""
    max_answer_tokens: Annotated[int, Field(ge=1)] = 512
    """The most tokens any answer may have, whatever the caller asks."""
