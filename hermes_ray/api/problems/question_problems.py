"""Questions that callers saw fail, counted by this process and added up for all of them by the cluster."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import uuid4

from hermes_ray.api.backend import Backend
from hermes_ray.api.problems.kinds import KINDS, kind_of
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_REPORT_S = 1.0


class QuestionProblems:
    """Counts failed questions by problem code. For one event loop.

    Every router tells its totals to the backend, so that each shows the same sum when it is scraped. Totals, not what
    was added: a report that is lost or arrives twice does no harm.
    """

    def __init__(self) -> None:
        self._router = uuid4().hex
        # A series that begins with its first error shows no increase.
        self._totals = Counter(dict.fromkeys(KINDS, 0))

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the error that ends the block, if one does."""
        try:
            yield
        except HermesError as error:
            self.count(error)
            raise

    def count(self, error: HermesError) -> None:
        """Count an error that ended one question, and perhaps not the request."""
        self._totals[kind_of(error).code] += 1

    @asynccontextmanager
    async def reported(self, backend: Backend) -> AsyncIterator[None]:
        """Tell the backend as long as the block runs."""
        reporting = asyncio.create_task(self._report(backend))
        try:
            yield
        finally:
            reporting.cancel()

    async def _report(self, backend: Backend) -> None:
        while True:
            try:
                await backend.report_question_problems(self._router, dict(self._totals))
            except HermesError as error:
                log.debug("question problems not reported; the next report holds them too", error=str(error))
            except Exception:  # of the metrics alone, and these must not stand still without a word
                log.exception("reporting question problems failed, and is tried again")
            await asyncio.sleep(_REPORT_S)
