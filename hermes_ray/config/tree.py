"""The tree of settings: every section. Their fields, defaults and descriptions are in the modules beside this one."""

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hermes_ray.config.api import ApiSettings
from hermes_ray.config.cluster import ClusterSettings, SnapshotSettings
from hermes_ray.config.described import Described
from hermes_ray.config.engine import EngineSettings, ModelSettings
from hermes_ray.config.events import EventSettings
from hermes_ray.config.kafka import KafkaSettings
from hermes_ray.config.memory import MemorySettings
from hermes_ray.config.observability import LogSettings, MetricsSettings
from hermes_ray.config.standing import StandingSettings
from hermes_ray.config.video import VideoSettings

ENV_PREFIX = "HERMES_"
ENV_DELIMITER = "__"
SASL_PASSWORD_VARIABLE = f"{ENV_PREFIX}KAFKA{ENV_DELIMITER}SASL_PASSWORD"
"""Holds ``kafka.sasl_password`` where it is in no settings file."""


class Settings(Described, BaseSettings):
    """Root of the tree. Build it with :func:`load`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        extra="forbid",
        frozen=True,
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
