"""What is going on while a model is fetched and read, for people who wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub.utils.tqdm import tqdm as hub_tqdm
from transformers.utils import logging

Report = Callable[[str], None]
"""Takes a few words."""


def download_bars(report: Report) -> type[hub_tqdm]:
    """A class of progress bars for the hub's downloads that draws nothing and reports instead."""

    class ReportedDownload(hub_tqdm):
        def display(self, *_: Any, **__: Any) -> None:
            in_bytes = self.unit == "B"
            done, total = (f"{n / 1e6:.0f} MB" if in_bytes else f"{n:.0f} files" for n in (self.n, self.total or 0))
            report(f"fetching from the hub, {done} of {total}")

    return ReportedDownload


@contextmanager
def reading_weights(report: Report) -> Iterator[None]:
    """While it lasts, transformers' own progress bars are reports."""
    previous = logging.set_tqdm_hook(lambda _, args, kwargs: _Reported(report, *args, **kwargs))
    try:
        yield
    finally:
        logging.set_tqdm_hook(previous)


class _Reported(logging.EmptyTqdm):
    """Reports how much of an iterable has been taken."""

    def __init__(self, report: Report, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args)
        self._report = report
        self._total = kwargs.get("total") or (len(args[0]) if args and hasattr(args[0], "__len__") else None)

    def __iter__(self) -> Iterator[Any]:
        of = "" if self._total is None else f" of {self._total}"
        for number, item in enumerate(super().__iter__(), start=1):
            self._report(f"reading weights, {number}{of}")
            yield item
