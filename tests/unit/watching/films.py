"""Films of the simulated world."""

from pathlib import Path

import av

from hermes_ray.video.sources.simulated import SimulatedCamera

SEED = 7
FILM_FPS = 5


def film(path: Path, seconds: int) -> Path:
    """Write what the simulated camera sees as a video file."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=FILM_FPS)
        track.width, track.height, track.pix_fmt = 320, 240, "yuv420p"
        for frame in SimulatedCamera(SEED, fps=FILM_FPS, seconds=seconds).frames():
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
        container.mux(track.encode())
    return path
