"""Recording what a pass asks of a GPU, so that asking again is one call instead of a thousand."""

from collections.abc import Callable
from typing import Protocol

import torch

_WARM_UPS = 2


class Capture(Protocol):
    """Makes work over fixed tensors repeatable.

    The work reads and writes tensors that stay where they are, and returns nothing. All that differs from one time to
    the next is in these tensors: it is not asked again which branch to take, nor how large anything is.
    """

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        """Returns what repeats the work."""
        ...


class CudaCapture:
    """Captures CUDA graphs that share one pool of memory.

    So they are replayed one at a time, and what they are to return lies outside.

    Args:
        device: a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        """See :class:`Capture`. The work is done a few times first: libraries set themselves up at their first use."""
        with torch.cuda.device(self._device):
            current = torch.cuda.current_stream()
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UPS):
                    work()
            current.wait_stream(self._stream)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            # What other threads ask of the GPU meanwhile is no part of the graph, and does not end the capture.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                work()
        return graph.replay
