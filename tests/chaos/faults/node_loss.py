"""Two nodes of a Ray cluster die one after the other, under steady ingest and questions.

A process of its own, since a driver is connected to one Ray only and the other tests share theirs::

    python -m tests.chaos.faults.node_loss SETTINGS.json
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from hermes_ray.api import server
from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView
from hermes_ray.config import Settings, load
from hermes_ray.errors import HermesError
from tests.chaos.faults.ray_nodes import RayNodes, ray_nodes
from tests.chaos.load.cameras import Cameras
from tests.chaos.load.users import Users
from tests.chaos.proof import commits
from tests.chaos.proof.undisturbed import assert_in_order, selected, undisturbed
from tests.chaos.proof.watching import Watch, watching
from tests.patience import LIMIT_S

STREAMS = tuple(f"cam-{number}" for number in range(4))
ROUND_S = 0.5


async def view_of(settings: Settings) -> ClusterView:
    """Who is where, as soon as the Coordinator answers."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        try:
            return await call(COORDINATOR, settings.cluster.namespace, "view", limit_s=10)
        except HermesError as error:
            assert time.monotonic() < deadline_s, error
            await asyncio.sleep(0.3)


async def until_spread(settings: Settings, right: Callable[[Collection[int]], bool], what: str) -> ClusterView:
    """Wait until the numbers of streams per worker are right."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        view = await view_of(settings)
        owned = Counter(location.worker for location in view.locations.values())
        if right(owned.values()):
            return view
        assert time.monotonic() < deadline_s, f"{what}: {owned}"
        await asyncio.sleep(0.3)


async def until_frames_flow(cameras: Cameras, watch: Watch, began_s: float, what: str) -> None:
    """Wait until of every stream something is applied that was published after this call."""
    await watch.until_all_go_on(cameras.newest_ms())
    print(f"{what}: frames of every stream again after {time.monotonic() - began_s:.1f} s", flush=True)


async def lose_nodes(settings: Settings, nodes: RayNodes, cameras: Cameras, watch: Watch) -> None:
    """One without a replacement, then, with one beside it, the other."""
    view = await until_spread(settings, lambda owned: sorted(owned) == [2, 2], "streams on both workers")
    first, second = view.nodes["memory-1"], view.nodes["memory-0"]
    began_s = time.monotonic()
    nodes.kill(first)
    await until_frames_flow(cameras, watch, began_s, "a node died and nothing replaces it")
    await until_spread(settings, lambda owned: sorted(owned) == [4], "streams on the worker that is left")

    began_s = time.monotonic()
    nodes.add()
    view = await until_spread(settings, lambda owned: sorted(owned) == [2, 2], "streams on the new node too")
    print(f"a node joined: it has its share after {time.monotonic() - began_s:.1f} s", flush=True)

    began_s = time.monotonic()
    nodes.kill(second)
    nodes.add()
    await until_frames_flow(cameras, watch, began_s, "a node died and another took its place")


async def scenario(settings: Settings, nodes: RayNodes, url: str) -> None:
    """Everything between a running system and its end."""
    async with watching(await ClusterClient.connect(settings)) as watch:
        with Cameras(settings, STREAMS, ROUND_S, watch.newest_ms) as cameras:
            await watch.until_applied(dict.fromkeys(STREAMS, 0))
            with Users(url, STREAMS) as users:
                await lose_nodes(settings, nodes, cameras, watch)
        frames = {stream: selected(settings, messages) for stream, messages in cameras.published.items()}
        expected = {stream: len(kept) for stream, kept in frames.items()}
        applied = await watch.until_seen(expected)
    assert {stream: status.memory.frames_seen for stream, status in applied.items()} == expected
    assert not users.unexpected, users.unexpected
    assert_in_order(frames, ((s, sight.frames_seen, sight.as_of_ms) for s in STREAMS for sight in watch.sights[s]))
    await asyncio.to_thread(commits.until_all_committed, settings, cameras)
    with undisturbed(settings, len(STREAMS)) as oracle:
        compared = await oracle.assert_equal(frames, users.answers)
    print(f"{compared} answers and all memories as undisturbed; questions: {dict(users.outcomes)}", flush=True)


def main(settings_file: Path) -> None:
    """Run the scenario; an assertion that fails ends the process with exit code 1."""
    settings = load(settings_file)
    with ray_nodes() as nodes:
        nodes.add()
        nodes.add()
        try:
            url = server.start(settings, ready_timeout_s=LIMIT_S).url
            asyncio.run(scenario(settings, nodes, url))
        finally:
            server.stop(settings)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
