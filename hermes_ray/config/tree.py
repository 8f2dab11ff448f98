"""The tree of settings: every section, field, default and description."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hermes_ray.config.access import AccessSettings, LimitSettings
from hermes_ray.config.events import EventSettings
from hermes_ray.config.section import Section as _Section
from hermes_ray.config.standing import StandingSettings

ENV_PREFIX = "HERMES_"
ENV_DELIMITER = "__"
SASL_PASSWORD_VARIABLE = f"{ENV_PREFIX}KAFKA{ENV_DELIMITER}SASL_PASSWORD"
"""Holds ``kafka.sasl_password`` where it is in no settings file."""

PolicyName = Literal[
    "hermes", "paper", "reference", "full", "recent_only", "sink_window", "uniform", "infinipot_v", "streammem"
]
HERMES_PRESETS = ("hermes", "paper", "reference")
"""Policies that ``memory.hermes`` may override."""


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


class HermesSettings(_Section):
    """Overrides of a HERMES preset; ``null`` leaves the preset's value. For experiments: see docs/accuracy.md."""

    true_attention: bool | None = None
    """Score by the model's own attention to the guidance prompts, not by the prompts' bare embeddings."""
    value_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    """A token's worth: share of the norm of its value against the attention it gets."""
    novelty_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    """A token's worth: share of novelty (how little its key resembles its place in recent frames) against those two."""
    smoothing: Literal["identity", "index", "none"] | None = None
    """Which token of the next layer a score is smoothed with: the same token, the one at the same index, or none."""
    summary: Literal["counted", "averaged", "none"] | None = None
    """Evicted tokens of long-term layers: a protected weighted mean, a plain mean that may be evicted, or dropped."""
    summary_place: Literal["oldest", "last"] | None = None
    """Where the summary goes: to its oldest merged token's place, or behind the newest token."""
    w0: Annotated[float, Field(ge=0, le=1)] | None = None
    """Weight of recency in the first working layer."""
    w1: Annotated[float, Field(ge=0, le=1)] | None = None
    """Weight of recency that the end of the working tier approaches."""
    k_sensory: Annotated[float, Field(ge=0)] | None = None
    """Decay rate of recency in sensory layers."""
    k_end: Annotated[float, Field(ge=0)] | None = None
    """Decay rate of recency that the end of the working tier approaches; the preset's is the model family's."""
    gamma_sensory: Annotated[float, Field(ge=0, le=1)] | None = None
    """Smoothing in sensory layers: share of the next layer's score."""
    gamma_working: Annotated[float, Field(ge=0, le=1)] | None = None
    """Smoothing in working layers."""
    gamma_long_term: Annotated[float, Field(ge=0, le=1)] | None = None
    """Smoothing in long-term layers."""


class MemorySettings(_Section):
    """How much of every stream is kept, and which part."""

    policy: PolicyName = "hermes"
    """The memory policy; ``full`` never evicts and refuses frames when its slot is full (tests and short clips)."""
    budget_tokens: Annotated[int, Field(ge=1)] = 4096
    """The most visual tokens that a layer holds per stream, at rest. Sets GPU memory together with ``slots``."""
    slots: Annotated[int, Field(ge=1)] = 8
    """Streams whose memory is on the device at once, per worker."""
    host_streams: Annotated[int, Field(ge=0)] = 64
    """Streams more than slots whose idle memories wait in host memory, per worker; they come back when needed."""
    spill_directory: Path | None = None
    """Directory for the memories of still more streams; without it a worker refuses them. Emptied as it ends."""
    thumbnail_bytes: Annotated[int, Field(ge=0)] = 4 * 1024 * 1024
    """Bytes of host memory per stream for pictures of the frames that its memory holds, in snapshots too; 0 keeps
    none. Beyond it, first go those that the deep layers hold least of."""
    thumbnail_px: Annotated[int, Field(ge=16, le=1920)] = 320
    """Longer side of such a picture, pixels, if the frame is larger; about 5 to 20 KB at 320."""
    compaction_slack: Annotated[float, Field(ge=0, lt=1)] = 0.375
    """Share of the budget that each compaction frees; smaller evicts more finely, larger costs less."""
    recent_frames: Annotated[int, Field(ge=0)] = 4
    """Newest frames that ``hermes`` never evicts, and all that ``recent_only`` keeps. Frames that were left out as
    unchanged (``video.unchanged``) count: they show what the one before them shows."""
    unchanged_patches: Literal["keep", "drop"] = "keep"
    """What becomes of tokens whose place in the picture shows what the newest encoded token of that place shows:
    ``keep`` encodes them, ``drop`` leaves them out of the decoder, and frames without any news out of the vision tower
    too. Every ``video.max_gap_s`` a frame is encoded whole. ``hermes``, ``paper`` and ``reference`` then keep the
    newest token of every place; other policies may forget what stands still until the next whole frame."""
    positions: Literal["lazy", "eager"] | None = None
    """When cached tokens are re-numbered: at every compaction (``eager``), or only near the model's position limit
    (``lazy``: layer by layer; ``paper`` and ``reference`` all layers together). By default eager; lazy for those two
    and where positions are times and places (Qwen)."""
    keys: Literal["unrotated", "rotated"] = "unrotated"
    """How keys are cached: before the rotary embedding, or behind it and rounded at every re-numbering (to compare)."""
    hermes: HermesSettings = HermesSettings()
    """Overrides for the policies ``hermes``, ``paper`` and ``reference``."""

    @property
    def capacity(self) -> int | None:
        """Streams that a worker can hold; ``None``: any number."""
        return None if self.spill_directory is not None else self.slots + self.host_streams

    @model_validator(mode="after")
    def _overrides_have_an_effect(self) -> "MemorySettings":
        if self.policy not in HERMES_PRESETS and self.hermes != HermesSettings():
            raise ValueError(f"memory.hermes has no effect under policy {self.policy}")
        return self


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


class KafkaSettings(_Section):
    """Where frames come from."""

    bootstrap_servers: str = "localhost:9092"
    """Comma-separated ``host:port`` list."""
    frames_topic: str = "hermes.frames"
    """Topic with camera frames, keyed by stream id."""
    dead_letters_topic: str = "hermes.dead-letters"
    """Topic for records that cannot be used, with the reason in their headers."""
    events_topic: str = "hermes.events"
    """Topic with what standing questions and the journal find out, keyed by stream id."""
    frames_partitions: Annotated[int, Field(ge=1)] = 8
    """Partitions of the frames topic if this system creates it (the demo's broker); an existing topic is left alone."""
    group_id: str = "hermes-ray"
    """Name under which progress is committed, for lag tools. The Coordinator assigns partitions, not this group."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to talk to the brokers."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """SASL mechanism; needs ``sasl_username`` and a password."""
    sasl_username: str | None = None
    """SASL user."""
    sasl_password: SecretStr | None = None
    """SASL password. In its variable, on every Ray node, it is no part of what Ray is told."""
    sasl_password_file: Path | None = None
    """File with the SASL password, on every Ray node, instead; read again when it changes."""
    ssl_ca_file: Path | None = None
    """PEM file of the certificate authority to trust. This file and the next two are read again when they change."""
    ssl_cert_file: Path | None = None
    """PEM client certificate, for mutual TLS."""
    ssl_key_file: Path | None = None
    """PEM client key, for mutual TLS."""
    request_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long one request to a broker may take, seconds."""
    max_record_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """Largest record to fetch or publish, bytes. Keep it at or below the topic's max.message.bytes."""

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> "KafkaSettings":
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_mechanism and self.sasl_username and (self.sasl_password or self.sasl_password_file)
        ):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password"
                " or sasl_password_file"
            )
        if self.sasl_password and self.sasl_password_file:
            raise ValueError("sasl_password and sasl_password_file are both set; remove one")
        return self


class VideoSettings(_Section):
    """How records become frames, and the limits that keep a hostile one harmless."""

    target_fps: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Frames per second of capture time that each stream's memory sees; the rest is skipped."""
    unchanged: Literal["keep", "skip"] = "keep"
    """What becomes of frames that show what the newest encoded one shows: ``keep`` encodes every frame, ``skip`` only
    those with something new in them. Memories, times and counts move on with every frame either way."""
    max_gap_s: Annotated[float, Field(gt=0)] = 10.0
    """With ``skip``, a frame that was captured so long after the newest encoded one is encoded whatever it shows,
    seconds. Slow changes of light that nobody would call news are seen at least so often. With
    ``memory.unchanged_patches: drop`` likewise a whole frame behind the newest whole one."""
    when_behind: Literal["lag", "shed"] = "lag"
    """What becomes of a live stream that falls behind by more than ``max_lag_s``: ``lag`` keeps every frame and lets it
    wait; ``shed`` lowers the stream's frame rate until it has caught up."""
    max_lag_s: Annotated[float, Field(gt=0)] = 10.0
    """How long records of a live stream may wait in Kafka before ``shed`` leaves frames out, seconds."""
    max_clock_skew_s: Annotated[float, Field(gt=0)] = 300.0
    """How far a camera's clock may be ahead of its records' timestamps in Kafka, seconds; beyond it they become dead
    letters. A stream whose capture times fall back by more goes on with them after about 3 s: a clock was set back;
    by less, its frames are left out as late until they have caught up."""
    max_side_px: Annotated[int, Field(ge=32)] = 640
    """Decoded frames are shrunk so that their longer side is at most this, pixels, before they travel to a worker."""
    max_encoded_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """Largest encoded picture or segment, bytes."""
    max_pixels: Annotated[int, Field(ge=1024)] = 3840 * 2160
    """Largest picture, pixels, judged before decoding where the container says it."""
    max_segment_frames: Annotated[int, Field(ge=1)] = 600
    """Most frames decoded from one segment."""
    max_segment_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Longest segment, seconds of video."""
    max_decode_load: Annotated[float, Field(gt=0)] = 1.0
    """CPU seconds that decoding a record may take for each second of its video, and for a shorter one or a picture. A
    camera beyond it would hold up all others of its ingest worker."""


class ClusterSettings(_Section):
    """The Ray actors."""

    address: str | None = None
    """Ray cluster to join; ``None`` joins the one this process is in, or starts one here; ``auto`` joins or fails."""
    namespace: str = "hermes"
    """Ray namespace of all named actors."""
    memory_workers: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """StreamMemoryActors; ``auto`` is one per GPU of the cluster, or one on the CPU."""
    memory_worker_cpus: Annotated[float, Field(ge=0)] = 1.0
    """CPU share that Ray reserves for each memory worker."""
    move_after_s: Annotated[float, Field(gt=0)] = 60.0
    """A memory worker that is silent for so long loses its streams to others, an ingest worker its partitions; longer
    than a restart should take, seconds."""
    take_over_after_s: Annotated[float, Field(ge=0)] | None = 0.0
    """How long a memory worker whose process has ended may take to be back before others with room get its streams,
    seconds; ``None``: the streams wait for it."""
    ingest_workers: Annotated[int, Field(ge=1)] = 1
    """FrameIngestActors; partitions are spread over them."""
    ingest_worker_cpus: Annotated[float, Field(ge=0)] = 0.5
    """CPU share that Ray reserves for each ingest worker."""
    max_inflight_frames: Annotated[int, Field(ge=1)] = 64
    """Frames an ingest worker may have sent and not yet seen applied; beyond it, it stops polling."""
    torch_threads: Annotated[int, Field(ge=1)] | None = None
    """Torch CPU threads per memory worker; ``None`` shares the machine's cores between the workers."""


class SnapshotSettings(_Section):
    """Copies of the streams' memories that outlive a process."""

    url: str | None = "auto"
    """A directory or any fsspec URL that all machines reach, such as ``s3://bucket/prefix`` with the extra ``s3`` and
    Amazon's own variables (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL``) for credentials and
    endpoint. ``auto``: a temporary directory of this machine, for as long as the cluster is up; ``null``: none, and a
    worker that dies forgets its streams."""
    interval_s: Annotated[float, Field(gt=0)] = 15.0
    """How often each stream that has changed is written; a restart reads at most about so much from Kafka again."""
    keep: Annotated[int, Field(ge=1)] = 2
    """Snapshots kept of each stream; with one, a damaged one cannot be made up for."""
    max_bytes_per_s: Annotated[float, Field(gt=0)] | None = None
    """Bytes per second that each worker writes at most, on average; ``null`` for no bound. One that is below what the
    changed streams make in ``interval_s`` makes snapshots come later."""
    expire_after_days: Annotated[float, Field(gt=0)] | None = 30.0
    """A stream that has been silent for so long is forgotten, memory and snapshots; ``null`` keeps all for ever."""


class ApiSettings(_Section):
    """The HTTP API."""

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` serves the network."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """TCP port; 0 picks a free one."""
    replicas: Annotated[int, Field(ge=1)] = 1
    """Router replicas."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024
    """Largest request body, bytes."""
    body_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long a request's body may take to arrive, seconds."""
    max_import_bytes: Annotated[int, Field(ge=1024)] = 1024**3
    """Largest file of a memory that can be imported, bytes. It lies in a temporary file of the router, then in the
    worker's host memory."""
    max_ongoing_requests: Annotated[int, Field(ge=1)] = 64
    """Questions that one router replica works on at once; those with ``as_of`` get at most half of the places."""
    max_queued_requests: Annotated[int, Field(ge=0)] = 960
    """Questions that wait for such a place; more are refused with 429 ``overloaded``."""
    request_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """How long a request may take when the caller sets no ``timeout_s``, seconds."""
    access: AccessSettings = AccessSettings()
    """Who may use the HTTP API, and from where."""
    limits: LimitSettings = LimitSettings()
    """What each API key may do, and all callers without a key together."""

    @property
    def questions_per_caller(self) -> int:
        """Questions that each key, or all callers without one, may have in progress in one router."""
        places = self.max_ongoing_requests + self.max_queued_requests
        return self.limits.questions or (places if self.access.keys_file is None else max(1, places // 2))


class MetricsSettings(_Section):
    """What ``/metrics`` shows, and where else than on the API."""

    host: str = "127.0.0.1"
    """Address of the head node that ``port`` listens on; ``0.0.0.0`` serves the network."""
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """TCP port that serves ``/metrics`` and nothing else, without a key; 0 picks a free one, ``null`` opens none."""
    per_stream: bool = False
    """Series of every stream too: frames, tokens, lag. As many series as cameras; mind Prometheus' memory."""


class LogSettings(_Section):
    """Logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level to write."""
    format: Literal["console", "json"] = "console"
    """``console`` for people, ``json`` for log collectors."""


class Settings(BaseSettings):
    """Root of the tree. Build it with :func:`load`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    model: ModelSettings = ModelSettings()
    """Which model watches the streams."""
    memory: MemorySettings = MemorySettings()
    """How much of every stream is kept, and which part."""
    engine: EngineSettings = EngineSettings()
    """What one step of the engine may do."""
    kafka: KafkaSettings = KafkaSettings()
    """Where frames come from."""
    video: VideoSettings = VideoSettings()
    """How records become frames."""
    cluster: ClusterSettings = ClusterSettings()
    """The Ray actors."""
    snapshots: SnapshotSettings = SnapshotSettings()
    """Copies of the streams' memories that outlive a process."""
    standing: StandingSettings = StandingSettings()
    """Standing questions and the journal."""
    events: EventSettings = EventSettings()
    """What standing questions and the journal found out: where it is kept, and who is told."""
    api: ApiSettings = ApiSettings()
    """The HTTP API."""
    metrics: MetricsSettings = MetricsSettings()
    """What ``/metrics`` shows, and where else than on the API."""
    log: LogSettings = LogSettings()
    """Logs."""

    @model_validator(mode="after")
    def _ports_differ(self) -> "Settings":
        if self.metrics.port and self.metrics.port == self.api.port:
            raise ValueError(f"metrics.port and api.port are both {self.api.port}; give metrics.port another")
        return self

    @classmethod
    def settings_customise_sources(  # noqa: D102
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Only what load() merged: a value built any other way would have no known source.
        return (init_settings,)
