"""What goes into the engine and what comes out, as plain values.

These cross process borders (pickle) and are shared by the engine, the cluster and the API; none of them
holds a tensor or a reference to engine internals.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one stream.

    Attributes:
        text: the question, not blank.
        max_tokens: the most tokens to answer with.
        temperature: 0 is greedy; above 0 samples from the softmax of logits / temperature.
        seed: makes sampling repeatable; ``None`` draws a fresh one.
        options: if given, the answer is one of these, the likeliest; each with its probability.
        as_of_ms: wait until a frame of this capture time or later is in the memory, ms since epoch.
        timeout_s: how long to wait for that, seconds; then ``QuestionTimeout``.
        session_id: continue the conversation of that name about this stream; a new name begins one. What stands before
            a slash in it is whose it is: when there are too many, whoever has most of them loses one.
        history: the conversation before this question, (question, answer) each, oldest first; behind what the session
            remembers. None of it is ever dropped: what is too long is refused.
        instructions: a system turn before the conversation; refused where the model's chat template has none.
        stop: the answer ends before that of these texts which is complete first.
        top_p: samples among the likeliest tokens that together have this probability; 1 among all.
        notes: lines that stand before the question, oldest first, such as those of a journal. What does not fit is left
            out, the oldest first; no session remembers them.
    """

    text: str
    max_tokens: int = 64
    temperature: float = 0.0
    seed: int | None = None
    options: tuple[str, ...] = ()
    as_of_ms: int | None = None
    timeout_s: float = 30.0
    session_id: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    instructions: str | None = None
    stop: tuple[str, ...] = ()
    top_p: float = 1.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerToken:
    """One piece of an answer, as soon as it is known.

    Attributes:
        index: 0 for the first token.
        text: the text this token adds; may be empty while a multi-byte character is incomplete.
    """

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class FrameEvidence:
    """How much an answer's attention rests on one moment.

    Attributes:
        frame: number in its stream, from 0, of the moment's heaviest frame.
        weight: share of the attention that the answer's tokens pay to the video in the long-term layers, 0 to 1, on
            this frame and its next neighbours. What is listed need not add up to 1: the rest lies on other frames and
            on summaries of evicted ones.
        captured_ms: when it was captured, ms since epoch; ``None`` where an older release did not note it.
    """

    frame: int
    weight: float
    captured_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UnknownWords:
    """A warning: the model has no word for parts of a question, so its answer may mean nothing.

    Attributes:
        words: as they stand in the question or its options.
        examples: questions that the model does understand, those nearest to this one.
    """

    words: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer and what it rests on.

    Attributes:
        text: the whole answer.
        as_of_ms: capture time of the newest frame in the memory that was asked, ms since epoch.
        frames_seen: frames that memory had seen.
        ttft_ms: from the engine's receipt of the question to its first token, milliseconds.
        prompt_tokens: tokens of the question with its chat template, without the memory.
        completion_tokens: tokens generated, the end token included.
        finish_reason: ``stop`` (the model ended its answer, or a stop text did) or ``length`` (max_tokens reached).
        evidence: the moments that the answer's attention rests on, heaviest first, at most eight.
        option_probabilities: for a question with options, the probability of each in the order given; they add up to 1.
        notes: of the question's notes, those that it was read with.
        unknown_words: if the question has words that the model does not know.
    """

    text: str
    as_of_ms: int
    frames_seen: int
    ttft_ms: float
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    evidence: tuple[FrameEvidence, ...] = ()
    option_probabilities: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    unknown_words: UnknownWords | None = None


@dataclass(frozen=True, slots=True)
class FramePicture:
    """What one frame of a stream looked like.

    Attributes:
        frame: its number in its stream, from 0.
        captured_ms: when it was captured, ms since epoch.
        jpeg: a thumbnail.
    """

    stream_id: str
    frame: int
    captured_ms: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class StreamStats:
    """The state of one stream's memory.

    Attributes:
        frames_seen: frames applied since the stream began.
        frames_unchanged: those of them that were not encoded, because they showed nothing new (``video.unchanged``,
            ``memory.unchanged_patches``).
        tokens_left_out: tokens that were not encoded, because their place showed nothing new
            (``memory.unchanged_patches``); those of frames that ``video.unchanged`` left out apart.
        as_of_ms: capture time of the newest applied frame; ``None`` before the first.
        kv_tokens_per_layer: cached tokens in each decoder layer, prefix included.
        kv_prefix: protected tokens before the first frame (system prompt and template).
        kv_budget: the most visual tokens a layer may hold; ``None`` under policy ``full``.
        compactions: how many times the memory was compacted.
        oldest_ms: capture time of the oldest frame that the memory may hold something of. Which frames are forgotten is
            looked at once in a thousand frames, so that one may be forgotten since. ``None`` before the first.
    """

    stream_id: str
    frames_seen: int
    as_of_ms: int | None
    kv_tokens_per_layer: tuple[int, ...]
    kv_prefix: int
    kv_budget: int | None
    policy: str
    compactions: int
    frames_unchanged: int = 0
    oldest_ms: int | None = None
    tokens_left_out: int = 0


@dataclass(frozen=True, slots=True)
class TierMap:
    """What the layers of one tier hold.

    Attributes:
        tier: ``sensory``, ``working`` or ``long_term``.
        first_layer: the lowest of those layers.
        layers: how many there are.
        tokens: tokens of each frame of :attr:`MemoryMap.frames`, averaged over these layers.
        summarised: tokens of the stream that live on in summary tokens only, averaged over these layers.
    """

    tier: str
    first_layer: int
    layers: int
    tokens: tuple[float, ...]
    summarised: float


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """What each tier of one stream's memory still holds of every frame.

    Where a vision tower joins frames, the tokens of a group count for its first frame, and a group that is not
    complete is in no tier yet.

    Attributes:
        frames_seen: frames applied since the stream began.
        as_of_ms: capture time of the newest applied frame, ms since epoch.
        frames: numbers of the frames that some tier holds tokens of, ascending.
        captured_ms: when each of them was captured, ms since epoch; ``None`` where an older release did not note it.
        tiers: from the lowest layers to the highest; one without layers is absent.
    """

    stream_id: str
    frames_seen: int
    as_of_ms: int
    frames: tuple[int, ...]
    captured_ms: tuple[int | None, ...]
    tiers: tuple[TierMap, ...]


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The state of one engine.

    Attributes:
        slab_bytes: bytes of keys, values, positions and token ids, all preallocated.
        frames_waiting: frames accepted and not yet applied, over all streams.
        questions_waiting: questions accepted whose first token is not out.
        questions_active: questions being answered.
        streams_parked: memories that wait in host memory or on disk while others have the slots.
    """

    model: str
    device: str
    policy: str
    slots: int
    slots_used: int
    slab_bytes: int
    frames_waiting: int
    questions_waiting: int
    questions_active: int
    frames_applied: int
    questions_answered: int
    streams_parked: int
