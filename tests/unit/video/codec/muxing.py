"""Segments changed unit by unit, by no code of the package."""

import io
from functools import cache

import av

from tests.unit.video.oracles import ffmpeg


@cache
def ffmpeg_segment(container, codec, *options, count=20, source="testsrc2=size=320x240:rate=10"):
    """A segment of so many pictures made by ffmpeg."""
    arguments = ["-f", "lavfi", "-i", source, "-frames:v", count, "-pix_fmt", "yuv420p", "-c:v", codec, *options]
    movflags = ["-movflags", "frag_keyframe+empty_moov"] if container == "mp4" else []  # a pipe cannot be written twice
    return ffmpeg(*arguments, *movflags, "-f", container, "-")


def remuxed(mp4, change):
    """An mp4 whose samples are ``change(number, sample)``: bytes, ``None`` to leave it out, or a list of several."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(mp4)) as source, av.open(buffer, "w", format="mp4") as output:
        track = source.streams.video[0]
        copy = output.add_stream_from_template(track)
        for number, packet in enumerate(packet for packet in source.demux(track) if packet.size):
            changed = change(number, bytes(packet))
            for part, data in enumerate(changed if isinstance(changed, list) else [changed]):
                if data is None:
                    continue
                new = av.Packet(data)
                new.pts, new.dts, new.time_base = packet.pts + part, packet.dts + part, packet.time_base
                new.is_keyframe = packet.is_keyframe and part == 0
                new.stream = copy
                output.mux(new)
    return buffer.getvalue()


def sized(*units):
    """Units with their lengths in front, as in an mp4."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def units_of(sample):
    """A sample's units, without their lengths."""
    units, position = [], 0
    while position < len(sample):
        start = position + 4
        position = start + int.from_bytes(sample[position:start], "big")
        units.append(sample[start:position])
    return units
