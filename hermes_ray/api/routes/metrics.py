"""What Prometheus scrapes."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.observability.exposition import exposition

router = APIRouter(tags=["health"])

_TEXT = {200: {"description": "Metrics, in the format that Accept asks for.", "content": {"text/plain": {}}}}


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses=_TEXT | documentation.problems(),
)
async def metrics(request: Request, backend: CurrentBackend) -> Response:
    """Counters and gauges of the whole system for Prometheus. Answers at once, whatever is down."""
    stats = await backend.stats(per_stream=request.app.state.settings.metrics.per_stream)
    body, content_type = exposition(stats, request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})
