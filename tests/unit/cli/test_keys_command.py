"""``hermes keys``, from the command line to the file and back."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hermes_ray.api.keys.scopes import Scope
from hermes_ray.api.keys.store import KeyStore
from hermes_ray.cli.main import app
from hermes_ray.errors import Unauthorized


def hermes(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def test_a_key_is_shown_once_and_known_until_it_is_revoked(tmp_path: Path):
    path = tmp_path / "keys.json"
    secret = hermes("keys", "create", "wall", "--scope", "ask", "--stream", "site-a.*", "--file", path).stdout.strip()
    hermes("keys", "create", "other", "--file", path)

    caller = KeyStore(path).authenticate(secret)
    assert (caller.name, caller.scopes, caller.streams) == ("wall", {Scope.ASK}, ("site-a.*",))
    listed = hermes("keys", "list", "--file", path)
    assert "wall" in listed.stdout
    assert "site-a.*" in listed.stdout
    assert secret not in listed.stdout + hermes("keys", "list", "--json", "--file", path).stdout

    assert hermes("keys", "revoke", caller.id, "--file", path).exit_code == 0
    with pytest.raises(Unauthorized):
        KeyStore(path).authenticate(secret)
    (left,) = json.loads(hermes("keys", "list", "--json", "--file", path).stdout)["keys"]
    assert (left["name"], left["scopes"]) == ("other", ["ask", "read"])


def test_a_key_ends_when_it_was_told_to(tmp_path: Path):
    path = tmp_path / "keys.json"
    for span in ("12h", "90d", "2036-01-01T00:00:00+01:00", "2020-01-01T00:00:00Z"):
        assert hermes("keys", "create", span, "--expires", span, "--file", path).exit_code == 0
    *valid, over = json.loads(hermes("keys", "list", "--json", "--file", path).stdout)["keys"]
    assert all(key["expires"] > key["created"] for key in valid)
    assert over["expires"] < over["created"]
    assert hermes("keys", "list", "--file", path).stdout.count("(over)") == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("create", "x", "--scope", "root"), "--scope root"),
        (("create", "x", "--expires", "soon"), "--expires soon"),
        (("create", "x", "--expires", "2036-01-01T00:00:00"), "time zone"),
        (("create", ""), "name"),
        (("revoke", "nobody"), "keys.json"),
        (("list",), "keys.json"),
    ],
)
def test_wrong_words_are_named_and_change_nothing(tmp_path: Path, words: tuple[str, ...], named: str):
    path = tmp_path / "keys.json"
    result = hermes("keys", *words, "--file", path)
    assert result.exit_code == 2
    assert named in result.stderr
    assert not path.exists()


def test_the_file_is_the_one_that_the_settings_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "keys.json"
    assert hermes("keys", "list").exit_code == 2
    monkeypatch.setenv("HERMES_API__ACCESS__KEYS_FILE", str(path))
    hermes("keys", "create", "wall")
    assert "wall" in hermes("keys", "list").stdout


def test_a_file_of_something_else_is_left_alone(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text("precious")
    assert hermes("keys", "create", "x", "--file", path).exit_code == 2
    assert path.read_text() == "precious"
