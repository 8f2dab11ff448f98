"""Places in the list of events, as texts that callers hand back and cannot read.

A plain sequence number counts the events of all streams. Who may see one stream alone could tell from two of them how
much happens elsewhere. So a place is encrypted and authenticated with a secret of the database (AES-SIV, RFC 5297),
under fresh random bytes: two texts of the same place have nothing in common. Whatever process has the database can read
them, after any restart.

::

    DATABASE-SEALED     where somebody who follows events has come to; DATABASE is the name of the database
    SEALED              where a page ends
"""

import base64
import binascii
import os
import re
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from hermes_ray.errors import EventsPlaceLost, InvalidRequest

_FOLLOWED = re.compile(r"([0-9a-f]{1,16})-([A-Za-z0-9_-]{1,128})")
_NUMBER = re.compile(r"[0-9]{1,18}")
"""What a place was in a release that showed sequence numbers."""
_RANDOM_BYTES = 16
_NUMBERS = struct.Struct(">qq")
_TAG_BYTES = 16
_SEALED_BYTES = _TAG_BYTES + _RANDOM_BYTES + _NUMBERS.size
"""A text of another length is none that anybody has sealed."""
_RESTORED = "the database of events was restored from an older copy; what came after that copy may be missing"
_OF_FOLLOWERS, _OF_PAGES = b"followed", b"page"
"""What a text is for, so that none counts as one of the other kind."""


@dataclass(frozen=True, slots=True)
class Places:
    """Writes and reads the places of one database.

    Attributes:
        database: its name, which is no secret.
        secret: 32 random bytes.
    """

    database: str
    secret: bytes

    def followed(self, sequence: int) -> str:
        """The text that stands for everything up to a sequence number."""
        return f"{self.database}-{self._seal(_OF_FOLLOWERS, sequence, 0)}"

    def read_followed(self, text: str) -> tuple[str, int]:
        """The database and the sequence number that a text stands for.

        A number that can be read is of a former release. It counts as one of another database, in which all is new: who
        could choose numbers could count again.

        Raises:
            InvalidRequest: it is none of ours.
            EventsPlaceLost: it was sealed with another secret: the database is an older copy, from before it had this.
        """
        found = _FOLLOWED.fullmatch(text)
        if found is not None and (found[1] != self.database or _NUMBER.fullmatch(found[2])):
            return "", 0
        sealed = None if found is None else _bytes_of(found[2])
        if sealed is None:
            raise InvalidRequest(
                "Last-Event-ID: not the id of one of these events; send the last one received, or none"
            )
        return self.database, self._open(_OF_FOLLOWERS, sealed, "Last-Event-ID")[0]

    def page_end(self, captured_ms: int, sequence: int) -> str:
        """The text that stands for the end of a page.

        Args:
            captured_ms: of its last event, ms since epoch.
            sequence: of that event.
        """
        return self._seal(_OF_PAGES, captured_ms, sequence)

    def read_page_end(self, text: str) -> tuple[int, int]:
        """Capture time and sequence number that a text stands for.

        Raises:
            InvalidRequest: it is none of ours.
            EventsPlaceLost: see :meth:`read_followed`.
        """
        sealed = _bytes_of(text)
        if sealed is None:
            raise InvalidRequest("cursor: not a cursor of events; send the `next` of a former page, or none")
        return self._open(_OF_PAGES, sealed, "cursor")

    def _seal(self, purpose: bytes, first: int, second: int) -> str:
        plain = os.urandom(_RANDOM_BYTES) + _NUMBERS.pack(first, second)
        return base64.urlsafe_b64encode(AESSIV(self.secret).encrypt(plain, [purpose])).decode().rstrip("=")

    def _open(self, purpose: bytes, sealed: bytes, name: str) -> tuple[int, int]:
        try:
            plain = AESSIV(self.secret).decrypt(sealed, [purpose])
        except InvalidTag as error:
            raise lost(name) from error
        first, second = _NUMBERS.unpack(plain[_RANDOM_BYTES:])
        return first, second


def lost(name: str) -> EventsPlaceLost:
    """What to say of a place that leads nowhere.

    Args:
        name: of what the place was sent as.
    """
    return EventsPlaceLost(f"{name}: {_RESTORED}, so begin without it (or it is made up)")


def _bytes_of(text: str) -> bytes | None:
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return sealed if len(sealed) == _SEALED_BYTES else None
