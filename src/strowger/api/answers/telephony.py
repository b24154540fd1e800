"""Trunks and phone numbers."""

from typing import Literal

from pydantic import Field

from strowger.api.answers.common import ListOf
from strowger.api.shapes import Strict, Timestamp


class Trunk(Strict):
    """A way to the telephone network."""

    id: str
    """The trunk's id."""
    workspace_id: str
    """The workspace the trunk belongs to."""
    name: str
    """For people to read."""
    host: str
    """Host name or IP address."""
    port: int
    """SIP port."""
    transport: Literal["udp"]
    """How SIP travels."""
    username: str | None
    """For digest authentication."""
    has_password: bool
    """Whether a password is kept; it is never shown."""
    is_default: bool
    """Whether calls take it that no number sends elsewhere."""
    max_calls: int | None
    """Most calls at the same time; further ones wait."""
    calls_per_second: float | None
    """Fastest pace of new calls."""
    version: int
    """Grows by one with every change; in quotes it is the `ETag` that `If-Match` takes."""
    created_at: Timestamp
    """When the trunk was added."""
    updated_at: Timestamp
    """When the trunk was last changed."""


class TrunkCheck(Strict):
    """What came of asking a trunk whether it is there."""

    ok: bool
    """Whether calls can be expected to go through."""
    problem: str | None = Field(examples=["no_answer"])
    """What is wrong, for programs: `no_address`, `bad_address`, `no_answer`,
    `authentication_needed`, `authentication_failed`, `refused`, `trouble`, `no_calls` or
    `no_common_codec`; null where nothing is."""
    detail: str
    """The same in a sentence, with what to do."""
    address: str | None
    """The IP address that its name led to."""
    sip_status: int | None
    """The SIP status of its answer."""
    reason: str | None
    """The words that came with it."""
    methods: tuple[str, ...]
    """What it allows, where it says so."""
    codecs: tuple[str, ...]
    """The audio formats it speaks, where it says so."""
    round_trip: float | None
    """Seconds from the question to the answer."""


class PhoneNumber(Strict):
    """A number of yours."""

    id: str
    """The number's id."""
    workspace_id: str
    """The workspace the number belongs to."""
    number: str
    """The number, E.164."""
    label: str
    """For people to read."""
    trunk_id: str | None
    """The trunk that calls from this number take; null for the default trunk."""
    inbound_agent_id: str | None
    """The agent that answers calls to this number."""
    max_calls: int | None
    """Most calls from this number at the same time; further ones wait."""
    version: int
    """Grows by one with every change; in quotes it is the `ETag` that `If-Match` takes."""
    created_at: Timestamp
    """When the number was added."""
    updated_at: Timestamp
    """When the number was last changed."""


TrunkList = ListOf[Trunk]
PhoneNumberList = ListOf[PhoneNumber]
