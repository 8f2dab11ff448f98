"""Whether the API may listen where the settings say."""

from hermes_ray.api.keys.key_file import read_keys
from hermes_ray.api.keys.perimeter import is_local
from hermes_ray.config import ApiSettings
from hermes_ray.errors import ConfigError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


def check_exposure(api: ApiSettings) -> None:
    """Refuse to listen on the network without keys, unless that is wanted by name.

    Raises:
        ConfigError: it is not, or the file of keys cannot be read here.
    """
    if api.access.keys_file is not None:
        read_keys(api.access.keys_file)
    if api.access.keys_file is None and not api.access.open_without_keys and not is_local(api.host):
        raise ConfigError(
            f"api.host {api.host!r}: without keys the API listens on this machine only. Make keys with `hermes keys "
            f"create` and set api.access.keys_file, or set api.access.open_without_keys to serve all who reach it"
        )


def warn_if_open(api: ApiSettings) -> None:
    """Say in the log that nobody needs a key, and who is served then."""
    if api.access.keys_file is not None:
        return
    if api.access.open_without_keys:
        log.warning("the API is open: whoever reaches it may do everything (api.access.open_without_keys)")
    else:
        log.info("the API has no keys and serves only its own machine (api.access.keys_file)")
