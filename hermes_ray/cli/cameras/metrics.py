"""What Prometheus reads of the cameras: a process of its own publishes them, so it has an endpoint of its own."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from hermes_ray.cli.cameras.camera import CameraStatus, State
from hermes_ray.cli.cameras.supervisor import Supervisor
from hermes_ray.errors import ConfigError


@dataclass(frozen=True, slots=True)
class CameraMetric:
    """One metric, with a series per camera."""

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    value: Callable[[CameraStatus], float | None]


CAMERA_METRICS = (
    CameraMetric("gauge", "hermes_camera_up", "1 while it publishes.", lambda at: at.state is State.PUBLISHING),
    CameraMetric("gauge", "hermes_camera_ended", "1 when its file is over.", lambda at: at.state is State.ENDED),
    CameraMetric("counter", "hermes_camera_frames_total", "Frames that the broker confirmed.", lambda at: at.frames),
    CameraMetric("counter", "hermes_camera_messages_total", "Likewise, messages.", lambda at: at.messages),
    CameraMetric("counter", "hermes_camera_bytes_total", "Likewise, bytes.", lambda at: at.size_bytes),
    CameraMetric("counter", "hermes_camera_reconnects_total", "Times connected again.", lambda at: at.reconnects),
    CameraMetric(
        "counter", "hermes_camera_restarts_total", "Times started again after failing.", lambda at: at.restarts
    ),
    CameraMetric(
        "gauge",
        "hermes_camera_newest_frame_timestamp_seconds",
        "When its newest frame was taken, seconds since the Unix epoch.",
        lambda at: None if at.newest_ms is None else at.newest_ms / 1000,
    ),
)
"""Those of which each camera has one value."""


class CameraCollector(Collector):
    """The metrics of a supervisor's cameras."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterable[Family]:
        """Every metric; Prometheus' client calls this."""
        cameras = self._supervisor.statuses()
        for metric in CAMERA_METRICS:
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=["camera"])
            for camera in cameras:
                value = metric.value(camera)
                if value is not None:
                    family.add_metric([camera.name], float(value))
            yield family
        yield _left_out(cameras)
        yield _info(cameras)
        standing = self._supervisor.standing_status()
        yield _of_all(
            "hermes_cameras_file_valid",
            "0 while the file has an error and an older one runs.",
            self._supervisor.file_error is None,
        )
        yield _of_all(
            "hermes_cameras_standing_questions", "Standing questions of the cameras published here.", standing.wanted
        )
        yield _of_all(
            "hermes_cameras_standing_questions_missing",
            "Those of them that the system is not known to ask as the file says.",
            standing.missing,
        )


def serve_metrics(supervisor: Supervisor, host: str, port: int) -> Callable[[], None]:
    """Serve them at ``/metrics``; returns what ends it.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(CameraCollector(supervisor))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigError(f"cannot serve metrics at {host}:{port}: {error.strerror}; choose --metrics-port") from error

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return close


def _of_all(name: str, text: str, value: float) -> Family:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], float(value))
    return family


def _left_out(cameras: Sequence[CameraStatus]) -> Family:
    family = CounterMetricFamily(
        "hermes_camera_frames_left_out_total",
        "Frames not published for another reason than the frame rate.",
        labels=["camera", "reason"],
    )
    for camera in cameras:
        for reason, count in camera.left_out.items():
            family.add_metric([camera.name, reason], count)
    return family


def _info(cameras: Sequence[CameraStatus]) -> Family:
    names = sorted({name for camera in cameras for name in camera.labels})
    labels = ["camera", *(f"label_{name}" for name in names)]
    family = GaugeMetricFamily("hermes_camera_info", "1; the labels that the file gives the camera.", labels=labels)
    for camera in cameras:
        family.add_metric([camera.name, *(camera.labels.get(name, "") for name in names)], 1)
    return family
