"""One fault after the other, while cameras publish."""

import asyncio
import time
from collections.abc import Sequence

from tests.chaos.faults.injector import FaultInjector
from tests.chaos.load.cameras import Cameras
from tests.chaos.proof import commits
from tests.chaos.proof.report import Fault
from tests.chaos.proof.watching import Watch

_AT_REST_S = (0.1, 0.8)
_WHILE_RECOVERING_S = (0.3, 2.0)


async def inject(
    injector: FaultInjector, fingerprint: str, cameras: Cameras, watch: Watch, kinds: Sequence[str]
) -> list[Fault]:
    """Every other fault comes to a system that works again, the rest to one that is still recovering.

    Args:
        injector: of the system.
        fingerprint: of its model.
        cameras: publish meanwhile.
        watch: sees what is applied.
        kinds: of faults, in order.

    Returns:
        What happened. The system works again by then.
    """
    settings, chance = injector.settings, injector.chance
    began_s = time.monotonic()
    faults: list[Fault] = []
    for number, kind in enumerate(kinds):
        recovering = number % 2 == 1
        if not recovering:
            await watch.until_all_go_on(cameras.newest_ms())
        await asyncio.sleep(chance.uniform(*(_WHILE_RECOVERING_S if recovering else _AT_REST_S)))
        await asyncio.to_thread(commits.assert_behind_snapshots, settings, cameras, fingerprint)
        injected = await injector.inject(kind)
        faults.append(Fault(kind, injected, recovering, time.monotonic(), cameras.newest_ms()))
        left_s = (time.monotonic() - began_s) / len(faults) * (len(kinds) - len(faults))
        outcome = "injected" if injected else "victim was down"
        print(f"fault {len(faults)} of {len(kinds)}: {kind}, {outcome}; about {left_s:.0f} s left")
    await injector.rest()
    await watch.until_all_go_on(cameras.newest_ms())
    await asyncio.to_thread(commits.assert_behind_snapshots, settings, cameras, fingerprint)
    return faults
