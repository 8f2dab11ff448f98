"""The gate before every route: who calls, whether they may, and whether they come too often."""

from functools import partial

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hermes_ray.api.keys.audit import Audit
from hermes_ray.api.keys.limits import RequestRates
from hermes_ray.api.keys.passage import Passage
from hermes_ray.api.keys.perimeter import is_local
from hermes_ray.api.keys.scopes import ANYBODY, NOBODY, Caller, needed_scope
from hermes_ray.api.keys.scopes import Scope as KeyScope
from hermes_ray.api.keys.store import KeyStore
from hermes_ray.api.problems.kinds import kind_of
from hermes_ray.api.problems.problem_json import problem_response, request_id_of, retry_after
from hermes_ray.errors import Forbidden, HermesError, RateLimited, Unauthorized

_REALM = 'Bearer realm="hermes"'


class KeyGate:
    """Lets requests through that may pass.

    Leaves the :class:`Caller` in ``request.state.caller``, and in ``request.state.passage`` how the request came in.
    Runs before the body is read, so a caller without a key cannot make the server read anything.

    Args:
        app: the application inside.
        store: the keys; ``None`` if there are none.
        open_without_keys: without keys, serve callers on other machines too.
        rates: of all callers.
        audit: told of refusals.
    """

    def __init__(
        self, app: ASGIApp, *, store: KeyStore | None, open_without_keys: bool, rates: RequestRates, audit: Audit
    ) -> None:
        self._app = app
        self._store = store
        self._open = open_without_keys
        self._rates = rates
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        needed = needed_scope(scope["method"], path)
        caller = NOBODY
        try:
            if needed is not None:
                caller = self._caller(scope)
                self._rates.take(caller)
                if needed not in caller.scopes:
                    raise Forbidden(f"{caller} lacks the scope {needed.value}")
        except (Unauthorized, Forbidden, RateLimited) as error:
            await self._refusal(scope, caller, needed, error)(scope, receive, send)
            return
        scope["state"]["caller"] = caller
        scope["state"]["passage"] = Passage(caller, _peer(scope), partial(self._check_again, scope, caller))
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller:
        if self._store is None:
            peer = _peer(scope)
            if not self._open and peer and not is_local(peer):
                raise Forbidden(
                    "this API has no keys and serves only its own machine: make keys with `hermes keys create` and set "
                    "api.access.keys_file, or open it with api.access.open_without_keys"
                )
            return ANYBODY
        scheme, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthorized("an API key is needed: send it as Authorization: Bearer KEY")
        return self._store.authenticate(secret.strip())

    def _check_again(self, scope: Scope, caller: Caller) -> None:
        """Raise ``Unauthorized`` or ``Forbidden`` unless the caller may do now what it might when it came."""
        if caller is not NOBODY and self._caller(scope) != caller:
            raise Forbidden(f"{caller} has other rights by now: send the request again to go on with those")

    def _refusal(self, scope: Scope, caller: Caller, needed: KeyScope | None, error: HermesError) -> Response:
        if caller is NOBODY:
            try:
                self._rates.take(
                    caller
                )  # whoever guesses keys, or calls from elsewhere, soon gets 429 and fills no log
            except RateLimited as limit:
                error = limit
        request = Request(scope)
        if not isinstance(error, RateLimited):
            self._audit.refused(caller, scope["method"], scope["path"], _peer(scope), request_id_of(request), error)
        kind = kind_of(error)
        headers = {**retry_after(error, kind), **self._challenge(scope, needed, error)}
        return problem_response(request, kind, str(error), headers=headers)

    def _challenge(self, scope: Scope, needed: KeyScope | None, error: HermesError) -> dict[str, str]:
        """WWW-Authenticate as RFC 6750, section 3, has it."""
        if isinstance(error, Unauthorized):
            wrong = ', error="invalid_token"' if "authorization" in Headers(scope=scope) else ""
            return {"WWW-Authenticate": _REALM + wrong}
        if isinstance(error, Forbidden) and self._store is not None and needed is not None:
            return {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{needed.value}"'}
        return {}


def _peer(scope: Scope) -> str:
    """The caller's address; empty where there is none (a Unix socket)."""
    client = scope.get("client")
    return client[0] if client else ""
