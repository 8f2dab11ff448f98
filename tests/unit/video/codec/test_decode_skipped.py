"""Pictures that are not to be shown: left out and counted, and never taken for damage. Nor is damage taken for them."""

import io

import av
import pytest

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec import DecodeLimits, decode
from hermes_ray.video.codec.packets.contents import Vp9Reader
from tests.unit.video.codec.muxing import ffmpeg_segment, remuxed, units_of
from tests.unit.video.oracles import coarse, ffmpeg, ffmpeg_pictures

LIMITS = DecodeLimits()
OPEN_GOP = {
    "hevc": ("libx265", "-x265-params", "log-level=none:open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0"),
    "avc": ("libx264", "-x264-params", "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0:b-adapt=0"),
    "avc fields": ("libx264", "-x264-params", "interlaced=1:open-gop=1:keyint=8:min-keyint=8:bframes=2:scenecut=0"),
    "mpeg4": ("mpeg4", "-bf", "2", "-g", "8", "-sc_threshold", "1000000000"),
}


def second_group(mp4):
    """An mp4 cut at its second keyframe."""
    with av.open(io.BytesIO(mp4)) as source:
        keys = [
            n
            for n, packet in enumerate(packet for packet in source.demux(video=0) if packet.size)
            if packet.is_keyframe
        ]
    return remuxed(mp4, lambda number, sample: sample if number >= keys[1] else None)


def read(payload):
    decoding = decode(payload, "video/mp4", 0, LIMITS)
    return list(decoding), decoding.skipped


@pytest.mark.parametrize("codec", OPEN_GOP)
def test_segment_cut_in_open_groups_of_pictures_begins_at_its_keyframe(codec, tmp_path, psnr):
    payload = second_group(ffmpeg_segment("mp4", *OPEN_GOP[codec], count=24))
    path = tmp_path / "cut.mp4"
    path.write_bytes(payload)
    frames, skipped = read(payload)
    expected = ffmpeg_pictures(path, 240, 320)
    assert skipped > 0
    assert len(frames) == len(expected) > 10
    assert [frame.ts_ms for frame in frames] == list(range(0, 100 * len(frames), 100))
    assert min(psnr(coarse(f.image), coarse(picture)) for f, picture in zip(frames, expected, strict=True)) > 33


@pytest.mark.parametrize("codec", OPEN_GOP)
def test_open_groups_of_pictures_that_are_not_cut_lose_nothing(codec):
    frames, skipped = read(ffmpeg_segment("mp4", *OPEN_GOP[codec], count=24))
    assert (len(frames), skipped) == (24, 0)


def test_pictures_that_an_edit_list_keeps_for_decoding_only_are_counted(tmp_path):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    whole.write_bytes(ffmpeg_segment("mp4", "libx265", "-x265-params", "log-level=none:bframes=2", count=24))
    ffmpeg("-ss", "0.75", "-i", whole, "-c", "copy", cut)
    frames, skipped = read(cut.read_bytes())
    assert len(frames) == len(ffmpeg_pictures(cut, 240, 320)) < 24
    assert len(frames) + skipped == 24
    assert frames[0].ts_ms == 0


@pytest.mark.parametrize(
    "profile, show_existing_frame, show_frame, shown",
    [
        (profile, existing, show, bool(existing or show))
        for profile in range(4)
        for existing in (0, 1)
        for show in (0, 1)
    ],
)
def test_hidden_pictures_of_vp9_are_not_expected_to_come(profile, show_existing_frame, show_frame, shown):
    # The uncompressed header, VP9 bitstream specification, clause 6.2.
    bits = f"10{profile & 1}{profile >> 1}{'0' if profile == 3 else ''}{show_existing_frame}"
    bits += "000" if show_existing_frame else f"1{show_frame}0"
    packet = int(f"{bits:0<16}", 2).to_bytes(2, "big")
    assert Vp9Reader().read(packet).picture == shown


@pytest.mark.parametrize("lost", [3, 7, -1])
def test_temporal_unit_of_av1_without_a_picture_is_damage(lost):
    payload = bytearray(ffmpeg_segment("mp4", "libaom-av1", "-cpu-used", "8", "-b:v", "100k", count=24))
    with av.open(io.BytesIO(payload)) as source:
        packet = [packet for packet in source.demux(video=0) if packet.size > 50][lost]
        start, padding = packet.pos, packet.size - 6
    leb128 = 0x80 | padding & 0x7F, 0x80 | padding >> 7 & 0x7F, padding >> 14
    # A temporal delimiter and padding (AV1 bitstream specification, clause 6.2.2) in the picture's place.
    payload[start : start + packet.size] = bytes([0x12, 0, 0x7A, *leb128]) + padding * b"\x80"
    with pytest.raises(UndecodableMedia):
        read(bytes(payload))


def test_leading_picture_of_hevc_behind_a_closed_start_is_damage():
    """One bit makes a skipped leading picture of an ordinary one; but an IDR picture has none of that kind."""

    def as_leading(number, sample):
        units = units_of(sample)
        if number == 5:
            units[-1] = bytes([9 << 1]) + units[-1][1:]
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)

    payload = ffmpeg_segment("mp4", "libx265", "-x265-params", "log-level=none:bframes=0:keyint=100:open-gop=0")
    with pytest.raises(UndecodableMedia):
        read(remuxed(payload, as_leading))


def test_segment_that_ends_before_its_first_whole_picture_says_so():
    payload = ffmpeg_segment("mp4", "libx264", "-x264-params", "intra-refresh=1:keyint=40:bframes=0", count=60)
    with av.open(io.BytesIO(payload)) as source:
        keys = [
            n
            for n, packet in enumerate(packet for packet in source.demux(video=0) if packet.size)
            if packet.is_keyframe
        ]
    short = remuxed(payload, lambda number, sample: sample if keys[1] <= number < keys[1] + 5 else None)
    with pytest.raises(UndecodableMedia, match=r"no picture that can be shown.*cut segments at keyframes"):
        read(short)
    longer, skipped = read(remuxed(payload, lambda number, sample: sample if number >= keys[1] else None))
    assert longer[0].ts_ms == 100 * skipped > 0
