"""The whole configuration: one typed tree. Unknown keys are refused by name; secrets print masked."""

from hermes_ray.config.access import AccessSettings, LimitSettings
from hermes_ray.config.api import ApiSettings
from hermes_ray.config.cluster import ClusterSettings, SnapshotSettings
from hermes_ray.config.engine import EngineSettings, ModelSettings
from hermes_ray.config.events import (
    DATABASE_PASSWORD_VARIABLE,
    EventSettings,
    MqttSettings,
    TargetSettings,
    WebhookSettings,
)
from hermes_ray.config.kafka import KafkaSettings
from hermes_ray.config.loading import (
    API_KEY_VARIABLE,
    API_URL_VARIABLE,
    CONFIG_FILE_VARIABLE,
    SOURCE_VARIABLE,
    LoadedSettings,
    load,
    load_with_sources,
)
from hermes_ray.config.memory import HERMES_PRESETS, HermesSettings, MemorySettings, PolicyName
from hermes_ray.config.observability import LogSettings, MetricsSettings
from hermes_ray.config.references import give_to_children, referring, referring_arguments
from hermes_ray.config.standing import (
    JournalSettings,
    QuietTime,
    StandingDefinition,
    StandingQuestion,
    StandingSettings,
)
from hermes_ray.config.tree import ENV_DELIMITER, ENV_PREFIX, SASL_PASSWORD_VARIABLE, Settings
from hermes_ray.config.video import VideoSettings

__all__ = [
    "API_KEY_VARIABLE",
    "API_URL_VARIABLE",
    "CONFIG_FILE_VARIABLE",
    "DATABASE_PASSWORD_VARIABLE",
    "ENV_DELIMITER",
    "ENV_PREFIX",
    "HERMES_PRESETS",
    "SASL_PASSWORD_VARIABLE",
    "SOURCE_VARIABLE",
    "AccessSettings",
    "ApiSettings",
    "ClusterSettings",
    "EngineSettings",
    "EventSettings",
    "HermesSettings",
    "JournalSettings",
    "KafkaSettings",
    "LimitSettings",
    "LoadedSettings",
    "LogSettings",
    "MemorySettings",
    "MetricsSettings",
    "ModelSettings",
    "MqttSettings",
    "PolicyName",
    "QuietTime",
    "Settings",
    "SnapshotSettings",
    "StandingDefinition",
    "StandingQuestion",
    "StandingSettings",
    "TargetSettings",
    "VideoSettings",
    "WebhookSettings",
    "give_to_children",
    "load",
    "load_with_sources",
    "referring",
    "referring_arguments",
]
