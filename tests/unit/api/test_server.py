"""What goes wrong before anything is started."""

import socket

import pytest

from hermes_ray.api import server
from hermes_ray.api.app import build
from hermes_ray.config import ApiSettings, Settings
from hermes_ray.errors import ConfigError


def test_a_taken_port_is_told_before_ray_is_touched():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"api.port.*{port}"):
            server.start(Settings(api=ApiSettings(port=port)))


def test_a_misspelt_setting_in_a_serve_config_is_named():
    with pytest.raises(ConfigError, match=r"api\.prot"):
        build({"api": {"prot": 8000}})


def test_stopping_what_never_started_does_nothing():
    server.stop()
