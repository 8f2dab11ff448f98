"""The engine of a memory worker: loaded in a thread, so that the actor can say meanwhile what it is doing."""

import time
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING

from hermes_ray.config import Settings
from hermes_ray.errors import HermesError, ModelError, WorkerUnavailable
from hermes_ray.garbage import loading_for_good
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)


def build_engine(settings: Settings, on_progress: Callable[[str], None]) -> "StreamEngine":
    """Load the model of the settings and build the engine around it.

    Args:
        settings: the model, the engine's and the memory's settings, and which frames are encoded.
        on_progress: is told what takes time, for people.

    Raises:
        HermesError: the model cannot be loaded, or does not go with the settings.
    """
    with loading_for_good():
        from hermes_ray.engine import StreamEngine
        from hermes_ray.video.thumbnail import thumbnail_maker

    model = settings.model
    return StreamEngine.from_pretrained(
        model.name,
        memory=settings.memory,
        engine=settings.engine,
        video=settings.video,
        device=model.device,
        dtype=model.dtype,
        revision=model.revision,
        max_pixels_per_frame=model.max_pixels_per_frame,
        on_progress=on_progress,
        thumbnail=thumbnail_maker(settings.memory.thumbnail_px),
    )


class LoadingEngine:
    """An engine that is on its way, there, or will never be. May be asked from any thread.

    Args:
        worker: name of the worker, for messages.
        settings: the model, the engine's and the memory's settings, and which frames are encoded.
        torch_threads: CPU threads for torch in this process.
    """

    def __init__(self, worker: str, settings: Settings, torch_threads: int) -> None:
        self._worker = worker
        self._settings = settings
        self.engine: StreamEngine | None = None
        self.failure: HermesError | None = None
        self._doing = f"loading model {settings.model.name}"
        Thread(target=self._load, args=(torch_threads,), name="loading", daemon=True).start()

    def loaded(self) -> "StreamEngine":
        """The engine.

        Raises:
            WorkerUnavailable: it is not loaded.
        """
        if self.engine is None:
            raise WorkerUnavailable(f"{self._worker}: {self.detail}", retry_after_s=1.0)
        return self.engine

    @property
    def detail(self) -> str:
        """How far it is, for people."""
        if self.failure is not None:
            return str(self.failure)
        return "ready" if self.engine is not None else self._doing

    def _note(self, doing: str) -> None:
        self._doing = doing

    def _load(self, torch_threads: int) -> None:
        started_s = time.monotonic()
        model = self._settings.model
        try:
            with loading_for_good():
                import torch

            torch.set_num_threads(torch_threads)
            self.engine = build_engine(self._settings, self._note)
        except HermesError as error:
            log.error("the model cannot be loaded", model=model.name, error=str(error))
            self.failure = error
        except Exception as error:
            log.exception("the model cannot be loaded", model=model.name)
            self.failure = ModelError(f"loading {model.name}: {type(error).__name__}: {error}")
        else:
            log.info("model loaded", model=model.name, seconds=round(time.monotonic() - started_s, 1))
