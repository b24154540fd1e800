"""Who asks: API keys, their scopes, and a short memory of those seen."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from strowger.api.problems import request_id
from strowger.api.rate_limits import RateExceeded, RateLimiter
from strowger.calls.resources import KEY_FORMAT, hash_key
from strowger.errors import Forbidden, Unauthenticated
from strowger.model import Actor, ApiKey
from strowger.ports import ACTOR, Records

REMEMBERED = 5.0
"""Seconds for which a key is believed without asking the database: how long a revoked one works."""
MOST_REMEMBERED = 10_000
LIVE_ONLY = {"trunks:write", "phone_numbers:write"}
"""Scopes that a test key cannot use, though it have them: real calls hang on what they change."""


class KeyRing:
    """Finds the key a request carries."""

    def __init__(self, records: Records, *, clock: Callable[[], float]) -> None:
        self._records = records
        self._clock = clock
        self._seen: dict[bytes, tuple[ApiKey, float]] = {}
        """By hash: the key, and until when it is believed. Oldest first."""

    async def find(self, text: str) -> ApiKey:
        """Raises Unauthenticated."""
        if not KEY_FORMAT.fullmatch(text):
            raise Unauthenticated(
                "this is not an API key: expected strowger_live_… or strowger_test_…"
            )
        now, digest = self._clock(), hash_key(text)
        key, until = self._seen.get(digest, (None, 0.0))
        if key is None or until <= now:
            key = await self._records.key_by_hash(digest)
            self._remember(digest, key, now)
        if key is None:
            raise Unauthenticated("this API key is not known here, or was revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise Unauthenticated("this API key has expired", code="key_expired")
        return key

    def _remember(self, digest: bytes, key: ApiKey | None, now: float) -> None:
        self._seen.pop(digest, None)
        if key is None:
            return
        if len(self._seen) >= MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[digest] = (key, now + REMEMBERED)


def presented_key(request: Request) -> str:
    """The key in `Authorization: Bearer` or `X-API-Key`. Raises Unauthenticated for none."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "bearer" or not credentials.strip():
            raise Unauthenticated("expected Authorization: Bearer and an API key")
        return credentials.strip()
    key = request.headers.get("x-api-key")
    if key is None:
        raise Unauthenticated("an API key is needed: Authorization: Bearer strowger_live_…")
    return key.strip()


async def authenticate(request: Request, scope: str) -> ApiKey:
    """The request's key, which must have `scope`; the request counts once against its rate."""
    key: ApiKey | None = getattr(request.state, "key", None)
    if key is None:
        ring: KeyRing = request.app.state.keys
        key = await ring.find(presented_key(request))
        limiter: RateLimiter | None = request.app.state.limiter
        if limiter is not None:
            try:
                request.state.rate = await limiter.admit(key)
            except RateExceeded as refused:
                request.state.rate = refused.state
                raise
        request.state.key = key
    if scope not in key.scopes and "*" not in key.scopes:
        raise Forbidden(f"this API key lacks the scope {scope}", code="missing_scope")
    if key.test and scope in LIVE_ONLY:
        raise Forbidden("a test key can change no trunk or number, or check one", code="test_key")
    ACTOR.set(Actor(key_id=key.id, request_id=request_id(request), test=key.test))
    return key


def requires(scope: str) -> Callable[[Request], Awaitable[ApiKey]]:
    """A dependency: the request's key, which must have `scope`."""

    async def key_with_scope(request: Request) -> ApiKey:
        return await authenticate(request, scope)

    return key_with_scope
