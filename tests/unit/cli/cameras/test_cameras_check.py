"""``hermes cameras check``: what is seen through each camera, or why nothing is."""

import json
import socket

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hermes_ray.cli.main import app
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg
from tests.unit.video.sources.http_camera import HttpCamera, motion_jpeg
from tests.unit.video.sources.rtsp_server import RtspCamera


@pytest.fixture
def silent_camera():
    """Somebody who accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def check(tmp_path, root_logger_restored):
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "pictures" / "1.png")
    (tmp_path / "film.mp4").write_bytes(SegmentEncoder(64, 48, 8).encode([np.zeros((48, 64, 3), np.uint8)] * 4))

    def run(text: str, *options, code: int):
        path = tmp_path / "cameras.yaml"
        path.write_text(text)
        result = CliRunner().invoke(app, ["cameras", "check", str(path), *options], env={"COLUMNS": "80"})
        assert result.exit_code == code, result.output
        return result

    return run


def test_every_source_is_opened_and_what_came_is_shown(check):
    found = json.loads(
        check(
            """
defaults: {max_side: 40}
cameras:
  sim: {source: sim://7, fps: 30}
  pictures: {source: pictures}
  film: {source: film.mp4, crop: [0, 0, 0.5, 1], max_side: 1280}
""",
            "--json",
            code=0,
        ).stdout
    )["cameras"]
    seen = {camera["name"]: camera for camera in found}
    assert seen["sim"]["fps"] == pytest.approx(30, abs=1)
    assert (seen["pictures"]["size"], seen["pictures"]["published"], seen["pictures"]["fps"]) == (
        [64, 48],
        [40, 30],
        None,
    )
    assert (seen["film"]["size"], seen["film"]["published"]) == ([64, 48], [32, 48])
    assert (seen["film"]["codec"], seen["film"]["fps"]) == ("h264", 8)


def test_network_cameras_are_seen_as_they_send(check):
    picture = np.full((48, 64, 3), 90, np.uint8)
    with (
        RtspCamera(SegmentEncoder(64, 48, 20, "h264").encode([picture] * 60), fps=20, login="admin:hunter2") as rtsp,
        HttpCamera(motion_jpeg([encode_jpeg(picture)] * 3, boundary="--x", in_header="x", lengths=True)) as http,
    ):
        text = f"cameras: {{door: {{source: '{rtsp.with_user('admin:hunter2')}'}}, yard: {{source: '{http.url}'}}}}"
        result = check(text, "--json", code=0)
    door, yard = json.loads(result.stdout)["cameras"]
    assert (door["codec"], door["size"]) == ("h264", [64, 48])
    assert 0 < door["fps"] < 22  # a slow machine misses frames
    assert (yard["codec"], yard["size"]) == ("motion JPEG", [64, 48])
    assert "hunter2" not in result.output


def test_a_camera_that_shows_nothing_is_told_with_the_reason_and_the_others_are_seen(check, silent_camera):
    result = check(
        f"""
cameras:
  good: {{source: film.mp4}}
  silent: {{source: "http://admin:hunter2@{silent_camera}/live"}}
  missing: {{source: nowhere.mp4}}
  locked: {{source: "rtsp://admin:${{NO_SUCH_VARIABLE}}@{silent_camera}/live"}}
""",
        "--timeout",
        "4",
        code=1,
    )
    assert "64x48" in result.stdout
    assert "silent: no picture within 4 s" in result.stdout
    assert "nowhere.mp4 is no file" in result.stdout
    assert "NO_SUCH_VARIABLE" in result.stdout
    assert "3 of 4 cameras show nothing" in result.stderr
    assert "hunter2" not in result.output


def test_a_mistake_in_the_file_is_wrong_usage(check):
    assert "did you mean fps?" in check("cameras: {a: {source: sim://1, fsp: 1}}", code=2).stderr
