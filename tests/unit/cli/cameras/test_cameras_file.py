"""The file of cameras: what it means, and what is said of a mistake in it."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from hermes_ray.cli.cameras.file import CameraEntry, json_schema
from hermes_ray.cli.cameras.reading import parse_cameras, read_cameras
from hermes_ray.cli.cameras.secrets import resolved
from hermes_ray.errors import ConfigError, SourceError

DOCS = Path(__file__).parents[4] / "docs"
FULL = """
defaults:
  fps: 2
  masks: [[0, 0, 1, 0.1]]
  labels: {site: north, floor: "1"}
cameras:
  front-door:
    source: rtsp://admin:${DOOR_PASSWORD}@10.0.0.7/live
    encoding: h264
    crop: [0.25, 0, 1, 0.5]
    labels: {floor: "2"}
  yard: {source: film.mp4, fps: 10, masks: [], loop: true}
"""


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_cameras(text, "cameras.yaml")
    return str(caught.value)


def test_defaults_count_where_a_camera_says_nothing():
    door, yard = parse_cameras(FULL, "cameras.yaml").entries().values()
    assert (door.fps, yard.fps) == (2, 10)
    assert (door.encoding, yard.encoding) == ("h264", "mp4")
    assert (len(door.framing().masks), len(yard.framing().masks)) == (1, 0)
    assert door.framing().crop is not None
    assert door.labels == {"site": "north", "floor": "2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cameras:\n  a:\n    source: sim://1\n    fsp: 3\n", "line 4: cameras.a.fsp: no such .* mean fps?"),
        ("cameras:\n  a: {source: sim://1}\n  b: {fps: 1}\n", "line 3: cameras.b.source: is missing; name what"),
        ("cameras:\n  a:\n    source: sim://1\n    fps: 900\n", "line 4: cameras.a.fps: Input should be less than"),
        ("cameras:\n  a:\n    source: sim://1\n    encoding: vp9\n", "line 4: cameras.a.encoding: .*'mp4', 'h264'"),
        ("cameras:\n  a: {source: sim://1}\n  a: {source: sim://2}\n", "line 3: a is there twice"),
        ("cameras:\n  front door: {source: sim://1}\n", "line 2: cameras.front door: no stream id"),
        ("cameras:\n  ..: {source: sim://1}\n", "not a stream id"),
        ("cameras:\n  a:\n    source: sim://1\n    masks:\n    - [0, 0, 1]\n", "line 5: cameras.a.masks.0: write four"),
        ("cameras:\n  a:\n    source: sim://1\n    crop: [0.5, 0, 0.5, 1]\n", "line 4: cameras.a.crop: need 0 <= left"),
        ("cameras:\n  a:\n    source: sim://1\n    labels: {floor: 2}\n", "floor: must be text; put it in quotes"),
        ("defaults: {source: sim://1}\ncameras: {}\n", "line 1: defaults.source: no such field"),
        ("camera: {}\n", "did you mean cameras"),
        ("", "holds no cameras"),
        ("- a\n", "holds no cameras"),
        ("cameras:\n  a: {source: x\n", "line 3: no valid YAML"),
        ("cameras:\n  a:\n", "line 2: cameras.a: must hold fields"),
        ("&a\ncameras: {b: *a}\n", "part of itself"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_what_to_write(text, said):
    assert re.search(said, complaint(text)), complaint(text)


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {a: {source: 'rtsp://u:hunter2${@h/'}}",
        "cameras: {a: {source: [hunter2]}}",
        "cameras: {a: {source: %hunter2}}",
        "cameras: {a: hunter2}",
        "hunter2",
    ],
)
def test_a_mistake_does_not_show_a_password(text):
    assert "hunter2" not in complaint(text)


def test_nothing_of_a_camera_prints_its_password():
    file = parse_cameras("cameras: {a: {source: 'rtsp://u:hunter2@h/'}}", "cameras.yaml")
    assert "hunter2" not in repr(file) + repr(file.entries())


def test_questions_of_the_defaults_are_put_to_every_camera_that_has_none_of_that_name():
    file = parse_cameras(
        """
defaults: {standing: [{name: person, question: "is there a person ?"}]}
cameras:
  gate: {source: sim://1, standing: [{name: open, question: is it open, options: [open, shut]}]}
  yard: {source: sim://2, standing: [{name: person, question: who, options: [ann, bob]}]}
  film: {source: film.mp4}
""",
        "cameras.yaml",
    )
    asked = {camera: [(one.name, one.options) for one in entry.standing] for camera, entry in file.entries().items()}
    assert asked == {
        "gate": [("person", ("yes", "no")), ("open", ("open", "shut"))],
        "yard": [("person", ("ann", "bob"))],
        "film": [("person", ("yes", "no"))],
    }


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("{name: p, question: q, streams: [a]}", r"standing\.0\.streams: no such field; .* leave it out"),
        ("{name: p, question: q, evry_s: 1}", "line 4: .*did you mean every_s"),
        ("{name: p}", r"standing\.0\.question: is missing; write"),
        ("{name: Person!, question: q}", "use lower-case letters"),
        ("{name: p, question: q, on: match}", 'put it in quotes, "on"'),
        ("{name: p, question: q, options: [yes, no]}", "must be text; put it in quotes"),
        ("{name: p, question: q, fires: [maybe]}", "'maybe' is none of the options yes, no"),
        ("{name: p, question: q, quiet: [{begins: '22:00'}]}", r"quiet\.0\.ends: is missing; write"),
        ("{name: p, question: q}, {name: p, question: r}", "two are called 'p'"),
        ("person", r"standing\.0: must hold fields; write"),
    ],
)
def test_a_mistake_in_a_question_is_told_with_what_to_write(question, said):
    text = f"cameras:\n  a:\n    source: sim://1\n    standing: [{question}]\n"
    assert re.search(said, complaint(text)), complaint(text)
    assert "line 4" in complaint(text)


def test_questions_that_would_have_one_name_in_the_system_are_refused():
    one, other = (
        "{source: sim://1, standing: [{name: b.c, question: q}]}",
        "{source: sim://2, standing: [{name: c, question: q}]}",
    )
    assert "a and one of a.b would both be a.b.c" in complaint(f"cameras: {{a: {one}, a.b: {other}}}")


@pytest.mark.parametrize("url", ["hermes:8000", "http://admin:hunter2@hermes", "ftp://hermes"])
def test_an_address_of_the_api_that_is_none_is_refused_and_shows_no_password(url):
    said = complaint(f"api: {{url: '{url}'}}\ncameras: {{}}")
    assert "line 1: api.url: write it as http://HOST:8000" in said
    assert "hunter2" not in said


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the file of cameras"):
        read_cameras(tmp_path / "gone.yaml")


def test_secrets_come_from_variables_and_files_and_may_hold_anything(tmp_path):
    (tmp_path / "password").write_text("h@n/ter:2\n")
    environment = {"USER_NAME": "admin", "WHOLE": "rtsp://u:p@h/x", "HOST": "cam:554"}
    source = "rtsp://${USER_NAME}:${file:password}@${HOST}/live"
    assert resolved(source, tmp_path, environment) == "rtsp://admin:h%40n%2Fter%3A2@cam:554/live"
    assert resolved("${WHOLE}", tmp_path, environment) == "rtsp://u:p@h/x"
    assert resolved("rtsp://h/$${x}", tmp_path, environment) == "rtsp://h/${x}"


def test_a_relative_path_is_of_the_files_directory(tmp_path):
    (tmp_path / "pictures").mkdir()
    assert resolved("pictures", tmp_path, {}) == str(tmp_path / "pictures")
    assert resolved("/dev/video7", tmp_path, {}) == "/dev/video7"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("rtsp://a:${NOWHERE}@h/", "variable NOWHERE, which is not set"),
        ("rtsp://a:${file:nowhere}@h/", "nowhere, which cannot be read"),
        ("rtsp://a:${file:lines}@h/", "must hold one line"),
        ("gone.mp4", "gone.mp4 is no file"),
        ("admin:hunter2@h/live", "hidden, as it may hold a password"),
    ],
)
def test_a_source_that_cannot_be_made_out_is_told_without_secrets(tmp_path, source, said):
    (tmp_path / "lines").write_text("hunter2\nhunter2\n")
    with pytest.raises(SourceError, match=said) as caught:
        resolved(source, tmp_path, {"NOWHERE": ""})
    assert "hunter2" not in str(caught.value)


def test_the_page_shows_a_file_that_is_right_and_names_every_field():
    page = (DOCS / "cameras.md").read_text()
    example = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    assert len(parse_cameras(example, "cameras.yaml").cameras) == 4
    assert [field for field in CameraEntry.model_fields if f"| `{field}` |" not in page] == []


def test_the_schema_in_the_docs_is_the_one_of_the_code():
    """Made by ``hermes cameras schema > docs/cameras.schema.json``."""
    assert json.loads((DOCS / "cameras.schema.json").read_text()) == json_schema()


def test_an_editor_accepts_what_the_command_accepts():
    schema = Draft202012Validator(json_schema())
    Draft202012Validator.check_schema(json_schema())
    assert list(schema.iter_errors(yaml.safe_load(FULL))) == []
    for wrong in (
        "cameras: {a: {source: sim://1, fsp: 3}}",
        "cameras: {a b: {source: x}}",
        "cameras: {a: {fps: 1}}",
        "cameras: {a: {source: x, standing: [{name: p, question: q, streams: [a]}]}}",
    ):
        assert list(schema.iter_errors(yaml.safe_load(wrong))) != []
