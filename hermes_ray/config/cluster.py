"""Settings of the Ray actors and of the snapshots that outlive them."""

from typing import Annotated, Literal

from pydantic import Field

from hermes_ray.config.section import Section as _Section


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
