"""Trunks and phone numbers."""

from typing import Literal, Required, TypedDict


class TrunkFields(TypedDict, total=False):
    name: str
    host: str
    port: int
    transport: Literal["udp"]
    username: str | None
    password: str | None
    is_default: bool
    max_calls: int | None
    calls_per_second: float | None


class NewTrunk(TypedDict, total=False):
    name: Required[str]
    host: Required[str]
    port: int
    transport: Literal["udp"]
    username: str | None
    password: str | None
    is_default: bool | None
    max_calls: int | None
    calls_per_second: float | None


class Trunk(TypedDict):
    id: str
    workspace_id: str
    name: str
    host: str
    port: int
    transport: Literal["udp"]
    username: str | None
    has_password: bool
    is_default: bool
    max_calls: int | None
    calls_per_second: float | None
    version: int
    created_at: str
    updated_at: str


class TrunkCheck(TypedDict):
    """What came of asking a trunk whether it is there."""

    ok: bool
    problem: str | None
    detail: str
    address: str | None
    sip_status: int | None
    reason: str | None
    methods: list[str]
    codecs: list[str]
    round_trip: float | None


class PhoneNumberFields(TypedDict, total=False):
    label: str
    trunk_id: str | None
    inbound_agent_id: str | None
    max_calls: int | None


class NewPhoneNumber(PhoneNumberFields, total=False):
    number: Required[str]


class PhoneNumber(TypedDict):
    id: str
    workspace_id: str
    number: str
    label: str
    trunk_id: str | None
    inbound_agent_id: str | None
    max_calls: int | None
    version: int
    created_at: str
    updated_at: str
