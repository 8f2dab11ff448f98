"""Where ``hermes up`` remembers: in the user's own directory, in one that is named, or where the settings say."""

import os
import stat
from pathlib import Path

import pytest
from rich.console import Console

from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.data_directory import default_directory, remembering
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import load_with_sources
from hermes_ray.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for variable in ("XDG_STATE_HOME", "RAY_ADDRESS", "HERMES_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def lifecycle():
    with Lifecycle(print) as open_one:
        yield open_one


def url(lifecycle, named: Path | None = None, **overrides):
    loaded = load_with_sources(overrides=overrides)
    return remembering(loaded, named, lifecycle, Steps(Console(quiet=True))).snapshots.url


def test_by_default_it_is_in_the_user_s_directory_for_state_and_nobody_else_s(lifecycle, home):
    assert url(lifecycle) == str(home / ".local/state/hermes-ray/snapshots")
    directory = home / ".local/state/hermes-ray"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_place_for_state_is_the_one_that_the_desktop_names(tmp_path, home):
    assert default_directory({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "hermes-ray"
    assert default_directory({"XDG_STATE_HOME": "relative"}) == home / ".local/state/hermes-ray"


def test_a_directory_may_be_named(lifecycle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert url(lifecycle, Path("mine")) == str(tmp_path / "mine/snapshots")


@pytest.mark.parametrize("told", ["s3://bucket/site", None, "auto"])
def test_what_the_settings_say_holds(lifecycle, told, home):
    assert url(lifecycle, snapshots={"url": told}) == told
    assert not (home / ".local").exists()


def test_a_ray_cluster_that_exists_does_not_reach_this_machine(lifecycle, home, tmp_path):
    assert url(lifecycle, cluster={"address": "10.0.0.1:6379"}) == "auto"
    with pytest.raises(ConfigError, match=r"--data: .*set snapshots\.url to a store"):
        url(lifecycle, tmp_path, cluster={"address": "10.0.0.1:6379"})
    assert not (home / ".local").exists()


def test_two_places_are_one_too_many(lifecycle, tmp_path):
    with pytest.raises(ConfigError, match=r"--data: snapshots\.url on the command line names a place already"):
        url(lifecycle, tmp_path, snapshots={"url": "s3://bucket/site"})


def test_two_systems_do_not_share_a_directory(lifecycle, tmp_path):
    with Lifecycle(print) as first:
        url(first, tmp_path)
        with pytest.raises(ConfigError, match=rf"in use by another hermes up \(process {os.getpid()}\).*--data"):
            url(lifecycle, tmp_path)
    assert url(lifecycle, tmp_path)  # the first has ended


def test_a_place_that_cannot_be_written_is_told_with_what_to_do(lifecycle, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"memories cannot be kept in .*file/below.*--data"):
        url(lifecycle, tmp_path / "file" / "below")
