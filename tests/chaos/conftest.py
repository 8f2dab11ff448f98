"""A broker and a Ray of their own: what is killed here is nobody else's."""

from tests.integration.conftest import broker, kafka_settings, ray_cluster

__all__ = ["broker", "kafka_settings", "ray_cluster"]
