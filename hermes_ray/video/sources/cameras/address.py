"""Addresses of cameras, and what of them may be shown.

An address may hold a password, and people write passwords as they are: with ``/ ? # @ : [``, which RFC 3986 wants
percent-encoded. Such an address is understood where it can be read in one way only, and refused where not; whatever it
holds, nothing that may be part of a password is ever shown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from typing import Self
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from hermes_ray.errors import SourceError

RTSP_SCHEMES = ("rtsp", "rtsps")
"""Plain, and over TLS."""
HTTP_SCHEMES = ("http", "https")
"""Likewise."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"({_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~%-]+)?\])(?::([0-9]{{1,5}}))?")
_AFTER_HOST = re.compile(r"[/?#]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_MAX_PORT = 65535
_SHOWN_CHARACTERS = 200
_MAX_CREDENTIALS_BYTES = 127
"""libav's RTSP client cuts longer ones off, percent-encoding included, without a word."""
_HOW_TO_WRITE = (
    "write it as SCHEME://USER:PASSWORD@HOST:PORT/PATH, an IPv6 host in brackets, and percent-encode special "
    "characters of user and password: %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #, %5B for [, %25 for %"
)


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """Where a camera's stream is, ready for libav or an HTTP client.

    Attributes:
        host: name or address, an IPv6 one without its brackets.
        port: ``None`` for the scheme's own.
        shown: for logs, errors and names: without user, password and query, and without a path that may hold a secret.
        url: with the user and the password, percent-encoded; never show it.
        has_user: whether it names a user.
        has_password: whether it holds a password.
    """

    host: str
    port: int | None
    shown: str
    url: str = field(repr=False)
    has_user: bool
    has_password: bool

    @classmethod
    def parse(cls, text: str, schemes: tuple[str, str] = RTSP_SCHEMES) -> Self:
        """Read ``rtsp://`` or ``rtsps://``, or another scheme in its two forms, and what follows.

        Raises:
            SourceError: another scheme, no host, or no telling where the password ends; never shows it.
        """
        scheme = scheme_of(text)
        if scheme not in schemes:
            plain, over_tls = schemes
            said = f"is no {plain.upper()} address; it must start with {plain}:// or {over_tls}://"
            raise SourceError(f"{without_secrets(text)} {said}")
        hidden = without_secrets(text)
        if _CONTROL.search(text):
            raise SourceError(f"the address {hidden} holds a line break or another control character; remove it")
        rest = text[len(f"{scheme}://") :]
        readings = list(_readings(rest))
        if not readings:
            raise SourceError(f"the address {hidden} names no host that can be understood; {_HOW_TO_WRITE}")
        if len(readings) > 1:
            raise SourceError(
                f"in the address {hidden} the password may end at more than one @, as one is behind a / ? or #; "
                f"{_HOW_TO_WRITE}"
            )
        return cls._of(scheme, *readings[0])

    @classmethod
    def _of(cls, scheme: str, userinfo: str | None, host_and_port: str, path: str) -> Self:
        found = _HOST.fullmatch(host_and_port)
        assert found is not None
        host, port = found[1], int(found[2]) if found[2] else None
        hidden = f"{scheme}://..."
        if port is not None and not 0 < port <= _MAX_PORT:
            raise SourceError(f"the port of the address {hidden} must be 1 to {_MAX_PORT}")
        _check_ipv6(host, hidden)
        authority = host if port is None else f"{host}:{port}"
        return cls(
            host=_zone_decoded(host.strip("[]")),
            port=port,
            shown=hidden if "@" in path else f"{scheme}://{authority}{_shown_path(path)}",
            url=f"{scheme}://{_encoded_userinfo(userinfo, hidden)}{_zone_decoded(authority)}{_encoded_path(path)}",
            has_user=userinfo is not None,
            has_password=userinfo is not None and bool(userinfo.partition(":")[2]),
        )


def scheme_of(text: str) -> str | None:
    """Return the scheme of a URL, in small letters; ``None`` for anything that does not begin with ``SCHEME://``."""
    found = _ADDRESS.fullmatch(text)
    return found[1].lower() if found else None


def without_secrets(text: str) -> str:
    """Return how to call a source that is not understood, without anything that may be a password.

    Of a URL that is the scheme. A path is shown as it is.
    """
    if (scheme := scheme_of(text)) is not None:
        return f"{scheme}://..."
    is_path = Path(text).is_absolute() or text.startswith(".")
    if not is_path and any(character in text for character in "@?:"):
        return "the source (hidden, as it may hold a password)"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _readings(rest: str) -> Iterator[tuple[str | None, str, str]]:
    """Yield (user and password, host and port, path and query) for every way to read what follows ``://``."""
    for at in (-1, *(found.start() for found in re.finditer("@", rest))):
        userinfo = rest[:at] if at >= 0 else None
        end = _AFTER_HOST.search(rest, at + 1)
        host_and_port, path = (rest[at + 1 : end.start()], rest[end.start() :]) if end else (rest[at + 1 :], "")
        if _HOST.fullmatch(host_and_port) and _may_be_userinfo(userinfo):
            yield userinfo, host_and_port, path


def _may_be_userinfo(userinfo: str | None) -> bool:
    """Whether all of it can stand before the host: a password may hold anything, a user no ``/ ? #`` as it is."""
    if userinfo is None or not _AFTER_HOST.search(userinfo):
        return True
    user, colon, _ = userinfo.partition(":")
    return bool(user and colon) and not _AFTER_HOST.search(user)


def _encoded_userinfo(userinfo: str | None, hidden: str) -> str:
    if userinfo is None:
        return ""
    user, _, password = (unquote_to_bytes(part) for part in userinfo.partition(":"))
    if any(byte < 0x20 for byte in user + password):
        raise SourceError(f"the user or the password in the address {hidden} holds a control character")
    # With a colon even without a password: libav would not answer a request for credentials otherwise.
    encoded = ":".join(quote_from_bytes(part, safe="!$&'()*+,;=") for part in (user, password))
    if len(encoded) > _MAX_CREDENTIALS_BYTES:
        raise SourceError(
            f"user and password in the address {hidden} are too long: {len(encoded)} bytes when percent-encoded, the "
            f"most that can be sent is {_MAX_CREDENTIALS_BYTES}; give the camera a shorter password"
        )
    return f"{encoded}@"


def _encoded_path(path: str) -> str:
    # What is no character of a URL, such as a space or an umlaut (RFC 3987, section 3.1); the rest stays as written.
    return quote(path, safe="%/:?#[]@!$&'()*+,;=\"<>\\^`{|}~")


def _shown_path(path: str) -> str:
    plain = path.partition("?")[0].partition("#")[0]
    return plain if _PLAIN_PATH.fullmatch(plain) else "/..."


def _check_ipv6(host: str, hidden: str) -> None:
    if host.startswith("["):
        try:
            IPv6Address(_zone_decoded(host.strip("[]")))
        except AddressValueError as error:
            raise SourceError(f"the host of the address {hidden} is in brackets, but no IPv6 address") from error


def _zone_decoded(host: str) -> str:
    return host.replace("%25", "%", 1)  # an IPv6 zone (RFC 6874)
