"""What a shell offers behind TAB: names of streams, from the system that runs."""

import os
from pathlib import Path

import typer

from hermes_ray.cli.console.options import DEFAULT_URL
from hermes_ray.errors import HermesError

_MOST = 200
_PATIENCE_S = 2.0
"""A shell stands still meanwhile."""


def complete_stream(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of streams that begin with what stands there; none if nothing answers in time.

    It asks the system of ``--url`` with the key of ``--api-key-file``, if they stand further left.
    """
    import httpx

    from hermes_ray.cli.running.connection import read_api_key
    from hermes_ray.client import HermesClient

    class Impatient(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.extensions["timeout"] = httpx.Timeout(_PATIENCE_S).as_dict()
            return super().handle_request(request)

    key_file = ctx.params.get("api_key_file")
    try:
        key = read_api_key(None if key_file is None else Path(os.fspath(key_file)))
        with HermesClient(str(ctx.params.get("url") or DEFAULT_URL), key, transport=Impatient()) as client:
            found = client.streams(id=[f"{incomplete}*"], limit=_MOST)
    except HermesError:  # a shell has no place to tell it, and the command itself will
        return []
    return [stream.id for stream in found]
