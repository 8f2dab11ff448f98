"""The API's standing questions without a cluster: held and stored as the Coordinator does."""

from pathlib import Path

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.cluster.control.standing_questions import StandingQuestions
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.store.standing_store import StandingStore
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.config import Settings, SnapshotSettings, StandingQuestion
from hermes_ray.engine import StreamEngine
from tests.unit.api.conftest import STREAM


class StandingBackend(EngineBackend):
    """With the standing questions of a cluster, whose workers alone put them.

    Attributes:
        looks: how often they were listed.
    """

    def __init__(self, engine: StreamEngine, place: Path, settings: Settings) -> None:
        super().__init__(engine)
        self.looks = 0
        store = StandingStore(SnapshotStore(SnapshotSettings(url=str(place))))
        self.standing = StandingQuestions(settings, store, lambda: [STREAM], lambda: 1)

    async def standing_questions(self) -> list[Standing]:
        self.looks += 1
        await self.standing.load()
        return self.standing.all()

    async def add_standing_question(self, question: StandingQuestion) -> Standing:
        await self.standing.load()
        return await self.standing.add(question)

    async def replace_standing_question(self, question: StandingQuestion) -> Standing:
        await self.standing.load()
        return await self.standing.replace(question)

    async def remove_standing_question(self, name: str) -> None:
        await self.standing.remove(name)

    async def mute_standing_question(self, name: str, muted: bool) -> Standing:
        return await self.standing.mute(name, muted)
