"""The whole configuration: one typed tree. Unknown keys are refused by name; secrets print masked."""

from hermes_ray.config.loading import CONFIG_FILE_VARIABLE, LoadedSettings, load, load_with_sources
from hermes_ray.config.tree import (
    ENV_DELIMITER,
    ENV_PREFIX,
    HERMES_PRESETS,
    ApiSettings,
    ClusterSettings,
    EngineSettings,
    HermesSettings,
    KafkaSettings,
    LogSettings,
    MemorySettings,
    MetricsSettings,
    ModelSettings,
    PolicyName,
    Settings,
    SnapshotSettings,
    VideoSettings,
)

__all__ = [
    "CONFIG_FILE_VARIABLE",
    "ENV_DELIMITER",
    "ENV_PREFIX",
    "HERMES_PRESETS",
    "ApiSettings",
    "ClusterSettings",
    "EngineSettings",
    "HermesSettings",
    "KafkaSettings",
    "LoadedSettings",
    "LogSettings",
    "MemorySettings",
    "MetricsSettings",
    "ModelSettings",
    "PolicyName",
    "Settings",
    "SnapshotSettings",
    "VideoSettings",
    "load",
    "load_with_sources",
]
