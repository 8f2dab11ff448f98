"""Which Ray cluster is meant, who named it, and whether it can be joined: found out within half a minute."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from hermes_ray.cluster.control.bringup import join_trial
from hermes_ray.config import ClusterSettings
from hermes_ray.errors import ClusterError, ConfigError

VARIABLE = "RAY_ADDRESS"
"""Ray's own environment variable. It counts where ``cluster.address`` is not set, and over ``auto``, as for Ray."""

_FORMS = "HOST:PORT (Ray's own port is 6379), ray://HOST:PORT (10001), auto or local"


@dataclass(frozen=True, slots=True)
class RayAddress:
    """A Ray cluster to join.

    Attributes:
        text: in the form that ``ray.init`` takes.
        source: who named it, for people, such as ``environment variable RAY_ADDRESS``.
    """

    text: str
    source: str

    def endpoint(self) -> tuple[str, int] | None:
        """Host and port to reach; ``None`` for ``auto``, and where an extension of Ray (``SCHEME://``) knows them.

        Raises:
            ConfigError: the text has none of the forms that Ray knows.
        """
        scheme, separator, rest = self.text.rpartition("://")
        if self.text == "auto" or (separator and scheme != "ray"):
            return None
        try:
            parts = urlsplit(f"//{rest}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or not port:
            raise ConfigError(f"{self.source}: {self.text!r} is no address of a Ray cluster; write {_FORMS}")
        return host, port


def chosen_address(
    settings: ClusterSettings, source: str = "cluster.address", environment: Mapping[str, str] = os.environ
) -> RayAddress | None:
    """The cluster to join; ``None`` if one is to be started on this machine.

    Args:
        settings: name it, or leave it to the environment.
        source: who set ``cluster.address``, for people.
        environment: the variables.
    """
    named = environment.get(VARIABLE)
    if named and settings.address in (None, "auto"):
        address = RayAddress(named, f"environment variable {VARIABLE}")
    elif settings.address is None:
        return None
    else:
        address = RayAddress(settings.address, source)
    return None if address.text == "local" else address


def check_joinable(address: RayAddress) -> None:
    """Return if the cluster answers; takes a few seconds more than ``ray.init`` then, and under half a minute if not.

    Raises:
        ConfigError: that is no address.
        ClusterError: nobody listens there, or whoever does is no Ray cluster of this version; names address and source.
    """
    endpoint = address.endpoint()
    place = [] if endpoint is None else [endpoint[0], str(endpoint[1])]
    trial = subprocess.run(
        [sys.executable, "-P", join_trial.__file__, address.text, *place],
        capture_output=True,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for us to pass on
        check=False,
    )
    if trial.returncode == 0:
        return
    told: dict[str, str] = {}
    for line in trial.stdout.splitlines():
        told |= json.loads(line)
    failure = _failure(address, told, trial).rstrip(".")
    raise ClusterError(f"{failure}; start that cluster, or correct the address: {_FORMS}")


def _failure(address: RayAddress, told: Mapping[str, str], trial: subprocess.CompletedProcess[str]) -> str:
    if address.text == "auto":
        what = f"no Ray cluster was found on this machine ({address.source}: auto)"
    else:
        what = f"no Ray cluster at {address.text} ({address.source})"
    if "error" in told:
        return f"{what}: {told['error']}"
    reached = told.get("stage") == join_trial.JOINING
    if trial.returncode == -signal.SIGALRM:
        limit_s = join_trial.JOIN_LIMIT_S if reached else join_trial.REACH_LIMIT_S
        why = "what listens there does not answer as Ray does" if reached else "no connection"
        return f"{what}: {why}, in {limit_s:g} s"
    last = trial.stderr.strip().rpartition("\n")[2]
    return f"{what}: trying to join ended with {trial.returncode}: {last}"
