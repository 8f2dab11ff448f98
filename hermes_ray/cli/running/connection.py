"""A connection to a running system, for the commands that ask one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hermes_ray.client import HermesClient
from hermes_ray.errors import ApiUnreachable, ConfigError


@contextmanager
def connect(url: str, api_key_file: Path | None = None) -> Iterator[HermesClient]:
    """Open a client of the HTTP API, once something answers there: an answer may take minutes, that must not.

    Args:
        url: the API's address.
        api_key_file: holds the API key; by default ``HERMES_API_KEY`` does, if set.

    Raises:
        ConfigError: that is no URL, or the file holds no key.
        ApiUnreachable: nothing answers there; says what to do.
    """
    with HermesClient(url, read_api_key(api_key_file)) as client:
        try:
            client.alive()
            yield client
        except ApiUnreachable as error:
            raise ApiUnreachable(
                f"{url}: {error}. Start a system with `hermes up` or `hermes demo`, or name a running one with --url"
            ) from error


def read_api_key(path: Path | None) -> str | None:
    """The API key in a file; ``None`` without one, so that the client looks into the environment.

    Raises:
        ConfigError: the file cannot be read, or holds no key.
    """
    if path is None:
        return None
    where = f"{path}, which --api-key-file or a file of cameras (api.key_file) names,"
    try:
        key = path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is no text; let it hold the API key alone") from error
    if not key:
        raise ConfigError(f"{where} is empty; let it hold the API key")
    return key
