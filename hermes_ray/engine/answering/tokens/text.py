"""Token ids to text, piece by piece, as an answer grows."""

from transformers import PreTrainedTokenizerBase

_INCOMPLETE = "\ufffd"  # how tokenizers show bytes that are not yet a character


class TextStream:
    """Turns one answer's token ids into text increments that add up to the whole text.

    A character may be spread over tokens and a token may change how its neighbour is written, so text is decoded
    with a few tokens of context and held back while its last character is incomplete.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._context_from = 0
        self._emitted_to = 0
        self.text = ""

    def push(self, token: int) -> str:
        """Take one token and return the text it adds; empty while a character is incomplete."""
        self._ids.append(token)
        known = self._decode(self._ids[self._context_from : self._emitted_to])
        current = self._decode(self._ids[self._context_from :])
        if current.endswith(_INCOMPLETE) or not current.startswith(known):
            return ""
        return self._emit(current[len(known) :])

    def flush(self) -> str:
        """Return what was held back, at the end of an answer."""
        known = self._decode(self._ids[self._context_from : self._emitted_to])
        return self._emit(self._decode(self._ids[self._context_from :])[len(known) :])

    def _emit(self, piece: str) -> str:
        if not piece:
            return piece  # a skipped special token is no context: the space behind it would be lost
        self._context_from, self._emitted_to = self._emitted_to, len(self._ids)
        self.text += piece
        return piece

    def _decode(self, ids: list[int]) -> str:
        text = self._tokenizer.decode(ids, skip_special_tokens=True)
        assert isinstance(text, str)
        return text
