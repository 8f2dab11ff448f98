"""What goes wrong before anything is started."""

import socket
from pathlib import Path

import pytest

from hermes_ray.api import server
from hermes_ray.api.app import build
from hermes_ray.api.keys.exposure import check_exposure
from hermes_ray.api.keys.key_file import KeyFile, write_keys
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.errors import ConfigError


def test_a_taken_port_is_told_before_ray_is_touched():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"api.port.*{port}"):
            server.start(Settings(api=ApiSettings(port=port)))


def test_a_misspelt_setting_in_a_serve_config_is_named():
    with pytest.raises(ConfigError, match=r"api\.prot"):
        build({"api": {"prot": 8000}})


def test_to_listen_on_the_network_without_keys_must_be_wanted_by_name(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"hermes keys create.*api\.access\.open_without_keys"):
        server.start(Settings(api=ApiSettings(host="0.0.0.0", port=0)))
    keyed = AccessSettings(keys_file=tmp_path / "keys.json")
    with pytest.raises(ConfigError, match=r"keys\.json"):
        check_exposure(ApiSettings(access=keyed))
    write_keys(tmp_path / "keys.json", KeyFile())
    for access in (AccessSettings(open_without_keys=True), keyed):
        check_exposure(ApiSettings(host="0.0.0.0", access=access))
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        check_exposure(ApiSettings(host=host))


def test_stopping_what_never_started_does_nothing():
    server.stop()
