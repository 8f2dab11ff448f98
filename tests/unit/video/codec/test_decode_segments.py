import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from hermes_ray.errors import MediaTooLarge, UndecodableMedia, UnsupportedMedia
from hermes_ray.video.codec import CONTENT_TYPES, DecodeLimits, SegmentEncoder, decode

LIMITS = DecodeLimits()


def mux(pictures, codec="libx264", *, options=None, b_frames=0, movflags="", sound=False, first_pts=0):
    """An mp4 at 10 fps made without the package's own encoder."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"movflags": movflags} if movflags else {}) as output:
        stream = output.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        audio = output.add_stream("aac", rate=8000) if sound else None
        for index, image in enumerate(pictures):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = first_pts + index, Fraction(1, 10)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
        if audio:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 8000
            output.mux(audio.encode(silence))
            output.mux(audio.encode(None))
    return buffer.getvalue()


def without_vui(stream):
    """Cut the VUI off a high-profile Annex-B stream's sequence parameters (ITU-T H.264, 7.3.2.1.1)."""
    start = stream.index(b"\0\0\1\x67") + 4
    end = stream.index(b"\0\0\1\x68", start) - 1
    bits = "".join(f"{byte:08b}" for byte in stream[start:end].replace(b"\0\0\3", b"\0\0"))
    position = 24

    def golomb():
        nonlocal position
        zeros = bits.index("1", position) - position
        value = int(bits[position + zeros : position + 2 * zeros + 1], 2) - 1
        position += 2 * zeros + 1
        return value

    golomb()  # seq_parameter_set_id
    assert [golomb() for _ in range(3)] == [1, 0, 0]  # 4:2:0, 8 bits
    position += 2  # bypass, no scaling matrix
    golomb()  # log2_max_frame_num
    if golomb() == 0:  # pic_order_cnt_type
        golomb()
    golomb()  # max_num_ref_frames
    position += 1  # gaps allowed
    golomb(), golomb()  # width and height
    position += 2  # frames only, direct 8x8
    position += 1
    if bits[position - 1] == "1":  # cropping
        [golomb() for _ in range(4)]
    assert bits[position] == "1"  # VUI present
    bits = bits[:position] + "01"  # absent, then the stop bit
    bits += "0" * (-len(bits) % 8)
    return stream[:start] + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)) + stream[end:]


@pytest.mark.parametrize("container", ["mp4", "h264"])
@pytest.mark.parametrize("fps, last_ms", [(2, 9500), (10, 1900), (29.97, 634)])
def test_segment_round_trip_keeps_pictures_and_times(container, fps, last_ms, pictures, psnr):
    encoder = SegmentEncoder(160, 120, fps, container)
    frames = list(decode(encoder.encode(pictures), encoder.content_type, 1_000, LIMITS))
    assert [frame.ts_ms for frame in frames] == [1_000 + round(1000 * i / fps) for i in range(20)]
    assert frames[-1].ts_ms == 1_000 + last_ms
    assert min(psnr(frame.image, image) for frame, image in zip(frames, pictures, strict=True)) > 35


def test_mp4_keeps_uneven_capture_times(pictures):
    payload = SegmentEncoder(160, 120, 10).encode(pictures[:4], [0, 90, 1003, 1004])
    assert [frame.ts_ms for frame in decode(payload, "video/mp4", 7, LIMITS)] == [7, 97, 1010, 1011]


def test_every_segment_decodes_without_the_one_before(pictures):
    encoder = SegmentEncoder(160, 120, 10, "h264")
    encoder.encode(pictures[:10])
    assert len(list(decode(encoder.encode(pictures[10:]), "video/h264", 0, LIMITS))) == 10


@pytest.mark.parametrize("movflags", ["", "frag_keyframe+empty_moov", "empty_moov+default_base_moof+frag_every_frame"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_mp4_with_reordered_or_fragmented_pictures_comes_in_presentation_order(movflags, b_frames, pictures, psnr):
    payload = mux(pictures, b_frames=b_frames, movflags=movflags, sound="every_frame" not in movflags)
    frames = list(decode(payload, "video/mp4", 0, LIMITS))
    assert [frame.ts_ms for frame in frames] == list(range(0, 2000, 100))
    assert min(psnr(frame.image, image) for frame, image in zip(frames, pictures, strict=True)) > 30


def test_segment_out_of_a_longer_recording_starts_at_its_own_capture_time(pictures):
    payload = mux(pictures, movflags="frag_keyframe+empty_moov+default_base_moof", first_pts=36_000)
    assert next(decode(payload, "video/mp4", 5_000, LIMITS)).ts_ms == 5_000


def test_raw_stream_without_timing_uses_the_default_rate(h264):
    payload = without_vui(h264)
    assert [frame.ts_ms for frame in decode(payload, "video/h264", 0, LIMITS)] == list(range(0, 800, 40))
    assert [frame.ts_ms for frame in decode(payload, "video/h264", 0, LIMITS, default_fps=5)] == list(
        range(0, 4000, 200)
    )


@pytest.mark.parametrize("movflags", ["", "frag_keyframe+empty_moov"])
def test_mp4_cut_off_anywhere_is_refused(movflags, pictures):
    payload = mux(pictures, movflags=movflags)
    for length in [*range(1, 64), *range(64, len(payload) - 1, 97), len(payload) - 1]:
        with pytest.raises(UndecodableMedia):
            list(decode(payload[:length], "video/mp4", 0, LIMITS))


def test_raw_stream_cut_inside_a_picture_is_refused(h264):
    cuts = [len(h264) // 5, len(h264) // 3, len(h264) - 20]
    for length in cuts:
        with pytest.raises(UndecodableMedia):
            list(decode(h264[:length], "video/h264", 0, LIMITS))


def test_damage_inside_a_picture_is_an_error_and_never_a_grey_frame(mp4):
    message = mp4.index(b"mdat") + 4  # length-prefixed NAL units: x264's own message, then the keyframe
    keyframe = message + 4 + int.from_bytes(mp4[message : message + 4], "big")
    end = keyframe + 4 + int.from_bytes(mp4[keyframe : keyframe + 4], "big")
    refused = attempts = 0
    for position in range(keyframe + 40, end - 40, 20):
        attempts += 1
        damaged = mp4[:position] + bytes(byte ^ 0x5A for byte in mp4[position : position + 20]) + mp4[position + 20 :]
        try:
            frames = list(decode(damaged, "video/mp4", 0, LIMITS))
        except UndecodableMedia:
            refused += 1
        else:  # entropy coding has no checksum: some damage is valid video, but never a concealed hole
            assert len(frames) == 20
    assert attempts > 10
    assert refused > attempts * 2 / 3


def test_segment_that_starts_between_keyframes_is_refused(h264):
    second = h264.index(b"\0\0\1", h264.index(b"\0\0\1\x65") + 4) - 1
    with pytest.raises(UndecodableMedia, match="keyframe"):
        decode(h264[second:], "video/h264", 0, LIMITS)


@pytest.mark.parametrize("container", ["mp4", "h264"])
def test_too_many_frames_are_refused_before_decoding(container, mp4, h264):
    with pytest.raises(MediaTooLarge, match=r"limit is 19.*video\.max_segment_frames"):
        decode({"mp4": mp4, "h264": h264}[container], f"video/{container}", 0, DecodeLimits(max_frames=19))


@pytest.mark.parametrize("container", ["mp4", "h264"])
def test_too_long_a_segment_is_refused_before_decoding(container, mp4, h264):
    payload = {"mp4": mp4, "h264": h264}[container]
    with pytest.raises(MediaTooLarge, match=r"limit is 1\.9 s.*video\.max_segment_seconds"):
        decode(payload, f"video/{container}", 0, DecodeLimits(max_seconds=1.9))
    assert len(list(decode(payload, f"video/{container}", 0, DecodeLimits(max_seconds=2)))) == 20


@pytest.mark.parametrize("container", ["mp4", "h264"])
def test_too_large_a_picture_is_refused_before_decoding(container, mp4, h264):
    payload = {"mp4": mp4, "h264": h264}[container]
    with pytest.raises(MediaTooLarge, match=r"160x120.*video\.max_pixels"):
        decode(payload, f"video/{container}", 0, DecodeLimits(max_pixels=160 * 120 - 1))
    assert len(list(decode(payload, f"video/{container}", 0, DecodeLimits(max_pixels=160 * 120)))) == 20


def test_mp4_that_lies_about_its_resolution_is_refused(pictures):
    big = np.zeros((1088, 1920, 3), np.uint8)
    payload = SegmentEncoder(1920, 1088, 10).encode([big])
    lie = payload.replace(struct.pack(">HH", 1920, 1088), struct.pack(">HH", 16, 16))
    assert lie != payload
    with pytest.raises(MediaTooLarge, match="1920x1088"):
        list(decode(lie, "video/mp4", 0, DecodeLimits(max_pixels=160 * 120)))


def test_table_that_claims_a_billion_samples_is_refused(mp4):
    position = mp4.index(b"stsz") + 8
    bomb = mp4[:position] + struct.pack(">II", 1, 1_000_000_000) + mp4[position + 8 :]
    with pytest.raises(UndecodableMedia, match="samples"):
        decode(bomb, "video/mp4", 0, LIMITS)


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("playlist", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"])
def test_playlist_that_names_a_local_file_is_never_followed(content_type, playlist, mp4, tmp_path):
    local = tmp_path / "private.mp4"
    local.write_bytes(mp4)
    with pytest.raises(UndecodableMedia):
        list(decode(playlist.format(local).encode(), content_type, 0, LIMITS))


def test_mp4_with_sound_only_is_refused():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        output.mux(stream.encode(silence))
        output.mux(stream.encode(None))
    with pytest.raises(UndecodableMedia, match="no video track"):
        decode(buffer.getvalue(), "video/mp4", 0, LIMITS)


def test_mp4_with_an_unusual_codec_is_unsupported(pictures):
    with pytest.raises(UnsupportedMedia, match=r"mjpeg.*H\.264"):
        decode(mux(pictures[:2], "mjpeg", options={"strict": "unofficial"}), "video/mp4", 0, LIMITS)


def test_select_sees_every_time_and_chooses_what_is_yielded(mp4):
    offered = []

    def every_third(ts_ms):
        offered.append(ts_ms)
        return len(offered) % 3 == 1

    chosen = [frame.ts_ms for frame in decode(mp4, "video/mp4", 0, LIMITS, select=every_third)]
    assert offered == list(range(0, 2000, 100))
    assert chosen == offered[::3]


@pytest.mark.parametrize("size", [(161, 120), (160, 0)])
def test_segment_encoder_refuses_odd_sizes(size):
    with pytest.raises(ValueError, match="even"):
        SegmentEncoder(*size, 10)


def test_segment_encoder_refuses_other_pictures_and_times(pictures):
    encoder = SegmentEncoder(160, 120, 10)
    for images, offsets in [([], None), ([pictures[0][:60]], None), (pictures[:2], [0, 0]), (pictures[:2], [0])]:
        with pytest.raises(ValueError):
            encoder.encode(images, offsets)
    with pytest.raises(ValueError, match="use mp4"):
        SegmentEncoder(160, 120, 10, "h264").encode(pictures[:2], [0, 5])
