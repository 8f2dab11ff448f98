"""A connection to a running system, for the commands that ask one."""

from collections.abc import Iterator
from contextlib import contextmanager

from hermes_ray.client import HermesClient
from hermes_ray.errors import ApiUnreachable


@contextmanager
def connect(url: str) -> Iterator[HermesClient]:
    """Open a client of the HTTP API, once something answers there: an answer may take minutes, that must not.

    Raises:
        ConfigError: that is no URL.
        ApiUnreachable: nothing answers there; says what to do.
    """
    with HermesClient(url) as client:
        try:
            client.alive()
            yield client
        except ApiUnreachable as error:
            raise ApiUnreachable(
                f"{url}: {error}. Start a system with `hermes up` or `hermes demo`, or name a running one with --url"
            ) from error
