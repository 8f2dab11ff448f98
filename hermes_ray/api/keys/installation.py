"""Puts gate and perimeter before an application, and the scoped backend behind it."""

from dataclasses import dataclass

from fastapi import FastAPI, Request

from hermes_ray.api.asking.admission import Admission
from hermes_ray.api.backend import Backend
from hermes_ray.api.keys.audit import Audit
from hermes_ray.api.keys.cross_origin import CrossOrigin
from hermes_ray.api.keys.gate import KeyGate
from hermes_ray.api.keys.limits import QuestionPlaces, RequestRates, TransferPlaces
from hermes_ray.api.keys.perimeter import Perimeter, SecurityHeaders
from hermes_ray.api.keys.scoped_backend import ScopedBackend
from hermes_ray.api.keys.store import KeyStore
from hermes_ray.api.problems.problem_json import request_id_of
from hermes_ray.config import ApiSettings


@dataclass(frozen=True, slots=True)
class BackendScoping:
    """Gives each request the backend as its caller sees it."""

    admission: Admission
    places: QuestionPlaces
    transfers: TransferPlaces
    audit: Audit

    def scoped(self, backend: Backend, request: Request) -> Backend:
        """The backend for one request that came through the gate."""
        caller, request_id = request.state.caller, request_id_of(request)
        return ScopedBackend(backend, self.admission, caller, self.places, self.transfers, self.audit, request_id)


def install(app: FastAPI, api: ApiSettings) -> None:
    """Install all of it. To be called before the middleware that must run first is added: the last one added does.

    Raises:
        ConfigError: the file of keys cannot be read.
    """
    access = api.access
    audit = Audit(access)
    places = QuestionPlaces(api.limits, api.questions_per_caller)
    app.state.scoping = BackendScoping(Admission(api), places, TransferPlaces(api.limits), audit)
    app.add_middleware(
        KeyGate,
        store=None if access.keys_file is None else KeyStore(access.keys_file),
        open_without_keys=access.open_without_keys,
        rates=RequestRates(api.limits),
        audit=audit,
    )
    if access.origins:
        # Before the gate: a browser asks for permission without the key, and must be able to read a refusal.
        app.add_middleware(CrossOrigin, origins=access.origins)
    app.add_middleware(Perimeter, api=api)
    app.add_middleware(SecurityHeaders)
