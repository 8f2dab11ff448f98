"""The targets that settings name."""

from collections.abc import Callable

from hermes_ray.config import EventSettings, TargetSettings
from hermes_ray.errors import ConfigError
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.delivery.runner import PAUSES_S, TargetRunner
from hermes_ray.events.delivery.target import Target
from hermes_ray.events.delivery.webhook import Webhook
from hermes_ray.events.local import LocalEvents


def runners(
    settings: EventSettings,
    database: EventDatabase,
    events: LocalEvents,
    may_act: Callable[[], bool] = lambda: True,
    pauses_s: tuple[float, float] = PAUSES_S,
) -> list[TargetRunner]:
    """One for each target, which tells it of nothing while ``may_act`` says so.

    Args:
        settings: name the targets.
        database: prepared; remembers how far each target is.
        events: that they are told of.
        may_act: whether to tell anybody now.
        pauses_s: see :class:`TargetRunner`.

    Raises:
        ConfigError: what a target needs is not installed.
    """
    found = [
        _runner(f"webhook:{name}", Webhook(webhook), webhook, database, events, may_act, pauses_s)
        for name, webhook in settings.webhooks.items()
    ]
    if settings.mqtt is not None:
        try:
            from hermes_ray.events.delivery.mqtt import MqttBroker
        except ModuleNotFoundError as error:
            raise ConfigError(f"events.mqtt: {error}; install hermes-ray[mqtt]") from error
        found.append(_runner("mqtt", MqttBroker(settings.mqtt), settings.mqtt, database, events, may_act, pauses_s))
    return found


def _runner(
    name: str,
    target: Target,
    settings: TargetSettings,
    database: EventDatabase,
    events: LocalEvents,
    may_act: Callable[[], bool],
    pauses_s: tuple[float, float],
) -> TargetRunner:
    return TargetRunner(name, target, settings, events, TargetProgress(database, name), may_act, pauses_s)
