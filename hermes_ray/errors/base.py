"""The root of all errors, and their codes."""

from typing import ClassVar


class HermesError(Exception):
    """Root of all errors raised on purpose by this package."""

    code: ClassVar[str] = "internal"


class ConfigError(HermesError):
    """A setting has a wrong value, or a configuration file cannot be read."""

    code = "config"


def rebuild_with_retry_after(cls: type, message: str, retry_after_s: float) -> HermesError:
    """An error as it was before pickle, which drops keywords; for ``__reduce__``."""
    return cls(message, retry_after_s=retry_after_s)


def codes_of(*roots: type[HermesError]) -> frozenset[str]:
    """Error codes of these classes and of all below them.

    A series that begins with its first error shows no increase; so every reason that is possible begins at zero.
    """
    return frozenset(root.code for root in roots) | {
        code for root in roots for code in codes_of(*root.__subclasses__())
    }
