"""Texts that end an answer, found as it grows."""

from collections.abc import Sequence

from hermes_ray.engine.answering.tokens.text import TextStream


class StoppingText:
    """Text of one answer that ends before the stop text that is complete first.

    What may be the beginning of a stop text is held back until the next token shows whether it is. A stop text may be
    spread over tokens, or be a part of one: where the text ends does not depend on it. Of several that are complete
    with the same character, the longest counts.

    Args:
        stream: makes text of tokens.
        stops: not empty, each; none for an answer that the model alone ends.
    """

    def __init__(self, stream: TextStream, stops: Sequence[str]) -> None:
        self._stream = stream
        self._stops = tuple(stops)
        self._held = ""
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take one token and return the text it adds; sets ``stopped`` when a stop text is complete."""
        return self._take(self._stream.push(token))

    def flush(self) -> str:
        """Return what was held back, at the end of an answer; nothing once it has stopped."""
        if self.stopped:
            return ""
        piece = self._take(self._stream.flush())
        rest, self._held = self._held, ""
        self.text += rest
        return piece + rest

    def _take(self, piece: str) -> str:
        text, self._held = self._held + piece, ""
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            text = text[: min(found)[1]]
        else:
            safe = len(text) - self._begun(text)
            text, self._held = text[:safe], text[safe:]
        self.text += text
        return text

    def _begun(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop text."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        lengths = range(min(longest, len(text)), 0, -1)
        return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in self._stops)), 0)
