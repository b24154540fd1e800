"""Digest authentication of our requests: RFC 3261 section 22 with RFC 2617, 7616 and 8760.

Answers 401 and 407 for any method, remembers what was asked so that later requests of the
session carry credentials at once, and stops where the far end refuses a fresh answer.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from strowger.sip.headers import quote_string, unquote_string
from strowger.sip.message import Request, Response

MAX_ROUNDS = 4
"""Challenges answered for one request: stale nonces and several proxies are fine, loops are not."""

_STRENGTH = {"MD5": 1, "MD5-SESS": 1, "SHA-256": 2, "SHA-256-SESS": 2}
_PAIR = re.compile(r'([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]*)', re.DOTALL)
_MAX_REALMS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate that we can answer."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    """As it was written; also sent back so."""
    names_algorithm: bool = False
    opaque: str | None = None
    qop: str | None = None
    """The one we use: `auth`, or `auth-int` where only that is offered."""
    stale: bool = False

    @classmethod
    def parse(cls, text: str) -> "Challenge | None":
        """None for a scheme, algorithm or qop that we do not know."""
        scheme, _, rest = text.strip().partition(" ")
        if scheme.lower() != "digest":
            return None
        found = {
            name.lower(): unquote_string(value) if value.startswith('"') else value
            for name, value in _PAIR.findall(rest)
        }
        offered = [option.strip().lower() for option in found.get("qop", "").split(",")]
        qop = next((option for option in ("auth", "auth-int") if option in offered), None)
        algorithm = found.get("algorithm") or "MD5"
        unknown_qop = qop is None and any(offered)
        if "nonce" not in found or algorithm.upper() not in _STRENGTH or unknown_qop:
            return None
        return cls(
            realm=found.get("realm", ""),
            nonce=found["nonce"],
            algorithm=algorithm,
            names_algorithm="algorithm" in found,
            opaque=found.get("opaque"),
            qop=qop,
            stale=found.get("stale", "").lower() == "true",
        )

    @property
    def strength(self) -> int:
        return _STRENGTH[self.algorithm.upper()]


def digest_response(
    challenge: Challenge,
    credentials: Credentials,
    *,
    method: str,
    uri: str,
    cnonce: str,
    count: int,
    body: bytes = b"",
) -> str:
    """The `response` value: RFC 7616 section 3.4.1, or RFC 2069 where no qop was offered."""

    def digest(data: bytes) -> str:
        if challenge.algorithm.upper().startswith("SHA-256"):
            return hashlib.sha256(data).hexdigest()
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    def joined(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8", "surrogateescape"))

    secret = joined(credentials.username, challenge.realm, credentials.password)
    if challenge.algorithm.upper().endswith("-SESS"):
        secret = joined(secret, challenge.nonce, cnonce)
    subject = (
        joined(method, uri, digest(body)) if challenge.qop == "auth-int" else joined(method, uri)
    )
    if challenge.qop is None:
        return joined(secret, challenge.nonce, subject)
    return joined(secret, challenge.nonce, f"{count:08x}", cnonce, challenge.qop, subject)


class Authenticator:
    """The credentials of one session, and what has been asked of them."""

    def __init__(self, credentials: Credentials | None, new_token: Callable[[], str]) -> None:
        self._credentials = credentials
        self._new_token = new_token
        self._known: dict[tuple[str, str], tuple[Challenge, int]] = {}
        """Per answering header and realm: the challenge, and how often it was answered."""

    def authorise(self, request: Request) -> None:
        """Add credentials for every realm that has asked so far."""
        if self._credentials is None:
            return
        for (header, realm), (challenge, count) in self._known.items():
            self._known[header, realm] = (challenge, count + 1)
            request.headers.add(header, self._answer(challenge, count + 1, request))

    def learn(self, response: Response, rounds: "Rounds") -> bool:
        """Remember the challenges of a 401 or 407; True where trying again may help.

        Being asked again for what this request has just answered means that name or password
        are wrong, unless the challenge says `stale`.
        """
        if self._credentials is None or response.status not in (401, 407):
            return False
        challenges, header = _strongest(response)
        rounds.count += 1
        if not challenges or rounds.count > MAX_ROUNDS:
            return False
        if any((header, c.realm) in rounds.answered and not c.stale for c in challenges):
            return False
        for challenge in challenges:
            key = (header, challenge.realm)
            if key in self._known or len(self._known) < _MAX_REALMS:
                self._known[key] = (challenge, 0)
                rounds.answered.add(key)
        return True

    def _answer(self, challenge: Challenge, count: int, request: Request) -> str:
        assert self._credentials is not None
        cnonce = self._new_token()
        response = digest_response(
            challenge,
            self._credentials,
            method=request.method,
            uri=request.uri,
            cnonce=cnonce,
            count=count,
            body=request.body,
        )
        parts = [
            f"username={quote_string(self._credentials.username)}",
            f"realm={quote_string(challenge.realm)}",
            f"nonce={quote_string(challenge.nonce)}",
            f"uri={quote_string(request.uri)}",
            f'response="{response}"',
        ]
        if challenge.names_algorithm:
            parts.append(f"algorithm={challenge.algorithm}")
        if challenge.opaque is not None:
            parts.append(f"opaque={quote_string(challenge.opaque)}")
        if challenge.qop is not None:
            parts += [f"qop={challenge.qop}", f'cnonce="{cnonce}"', f"nc={count:08x}"]
        elif challenge.algorithm.upper().endswith("-SESS"):
            parts.append(f'cnonce="{cnonce}"')
        return "Digest " + ", ".join(parts)


@dataclass(slots=True)
class Rounds:
    """What one request has gone through to be let in."""

    count: int = 0
    answered: set[tuple[str, str]] = field(default_factory=set)
    """Answering header and realm of each challenge it has answered fresh."""


def _strongest(response: Response) -> tuple[list[Challenge], str]:
    """Per realm the strongest challenge, and the header that answers them."""
    asking, answering = (
        ("www-authenticate", "authorization")
        if response.status == 401
        else ("proxy-authenticate", "proxy-authorization")
    )
    chosen: dict[str, Challenge] = {}
    for text in response.headers.all(asking):
        challenge = Challenge.parse(text)
        if challenge is None:
            continue
        known = chosen.get(challenge.realm)
        if known is None or challenge.strength > known.strength:
            chosen[challenge.realm] = challenge
    return list(chosen.values()), answering
