"""A memory worker whose device becomes unusable at one question and at a picture that is white all over."""

from typing import Any

import ray

from hermes_ray.cluster.memory_worker.actor import StreamMemoryActor
from hermes_ray.cluster.wire.protocol import memory_worker_name
from hermes_ray.config import Settings

DEADLY_QUESTION = "crash"


def start_faulty_workers(settings: Settings, workers: int) -> None:
    """Create them before the Coordinator does, which finds and takes them."""
    options: dict[str, Any] = {
        "namespace": settings.cluster.namespace,
        "lifetime": "detached",
        "max_restarts": -1,
        "num_cpus": settings.cluster.memory_worker_cpus,
    }
    actor = ray.remote(concurrency_groups=StreamMemoryActor.concurrency_groups(settings))(_faulty_worker())
    for name in map(memory_worker_name, range(workers)):
        actor.options(name=name, **options).remote(name, settings, settings.cluster.torch_threads)


def _faulty_worker() -> type[StreamMemoryActor]:
    deadly_question = DEADLY_QUESTION

    # Defined here so that Ray sends it to its processes as it is.
    class FaultyWorker(StreamMemoryActor):
        def __init__(self, name: str, settings: Settings, torch_threads: int) -> None:
            from hermes_ray.engine import engine as module
            from hermes_ray.models import load

            class Device:
                def __init__(self, adapter):
                    self._adapter = adapter

                def __getattr__(self, attribute):
                    return getattr(self._adapter, attribute)

                def encode(self, groups):
                    blocks = self._adapter.encode(groups)
                    if any(_is_white(picture) for group in groups for picture in group.pixels):
                        raise RuntimeError("CUDA error: device-side assert triggered")
                    return blocks

                def question(self, text, *rest):
                    if text == deadly_question:
                        raise RuntimeError("CUDA error: an illegal memory access was encountered")
                    return self._adapter.question(text, *rest)

            def _is_white(picture) -> bool:
                return bool((picture == 255).all())

            module.load = lambda *arguments, **options: Device(load(*arguments, **options))
            super().__init__(name, settings, torch_threads)

    return FaultyWorker
