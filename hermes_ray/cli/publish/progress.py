"""What a person sees while frames are published."""

from contextlib import AbstractContextManager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class PublishProgress:
    """A line on stderr that says how far publishing is, or what keeps it from going on. Safe to call from any thread.

    Args:
        console: to write to.

    Attributes:
        frames: confirmed by the broker.
        messages: likewise.
        size_bytes: of their payloads.
    """

    def __init__(self, console: Console) -> None:
        self.frames = self.messages = self.size_bytes = 0
        self._console = console
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console
        )
        self._task = self._progress.add_task("starting", total=None)
        self._to = ""
        self._told: str | None = None

    def shown(self) -> AbstractContextManager[object]:
        """Return the context in which the line is on the screen."""
        return self._progress

    def connecting(self, to: str) -> None:
        """Say what is being connected to."""
        self._to = to
        self._describe(f"connecting to {to}")

    def published(self, frames: int, size_bytes: int) -> None:
        """Count a message that the broker has confirmed."""
        self.frames += frames
        self.messages += 1
        self.size_bytes += size_bytes
        self._describe(self._summary())

    def confirmed(self) -> dict[str, int]:
        """Return what the broker has confirmed, as ``--json`` writes it."""
        return {"frames": self.frames, "messages": self.messages, "bytes": self.size_bytes}

    def broker_away(self, said: str) -> None:
        """Say that the broker did not confirm a message, and why."""
        self._console.print(f"[yellow]not confirmed, sending again:[/] {escape(said)}")
        self._describe(f"{self._summary()}, waiting for the broker")

    def source_away(self, reason: str) -> None:
        """Say why no frame comes from the camera; once on a line of its own, however often it is tried."""
        if reason != self._told:
            self._told = reason
            self._console.print(f"[yellow]{escape(self._to)}:[/] {escape(reason)}; trying again", soft_wrap=True)
        self._describe(f"{self._summary()}, not connected: {reason}" if self.frames else f"not connected: {reason}")

    def source_here(self) -> None:
        """Say that frames come, if it was said that none did."""
        if self._told is not None:
            self._told = None
            self._console.print("[green]frames are coming[/]")

    def _summary(self) -> str:
        return f"{self.frames} frames in {self.messages} messages, {self.size_bytes / 1e6:.1f} MB confirmed"

    def _describe(self, text: str) -> None:
        self._progress.update(self._task, description=escape(text))
