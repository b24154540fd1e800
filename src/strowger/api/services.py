"""The use cases that the API offers, built over one set of records."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from strowger.calls.deliveries import DeliveryService
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import (
    AgentService,
    KeyService,
    NumberService,
    SecretService,
    TrunkService,
    WebhookService,
    WorkspaceService,
)
from strowger.calls.service import CallService
from strowger.calls.validation import Offered
from strowger.model import NATIVE_FORMAT, CallId, WorkspaceId
from strowger.ports import Bell, Catalogue, Deliveries, Records, SilentBell, TrunkChecker


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the API looks at besides records."""

    deliveries: Deliveries
    catalogue: Catalogue
    checker: TrunkChecker
    formats: frozenset[str] = frozenset({NATIVE_FORMAT})
    """The ways that webhooks can be written in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    records: Records
    calls: CallService
    agents: AgentService
    trunks: TrunkService
    numbers: NumberService
    secrets: SecretService
    webhooks: WebhookService
    deliveries: DeliveryService
    keys: KeyService
    workspaces: WorkspaceService
    catalogue: Catalogue
    checker: TrunkChecker
    bell: Bell
    ids: Callable[[str], str]
    clock: Callable[[], float]


def build_services(
    records: Records,
    around: Surroundings,
    *,
    ids: Callable[[str], str],
    clock: Callable[[], float],
    policy: DialPolicy,
    recording_path: Callable[[WorkspaceId, CallId], Path],
    offered: Offered | None = None,
    bell: Bell | None = None,
) -> Services:
    return Services(
        records=records,
        bell=bell or SilentBell(),
        calls=CallService(
            records,
            ids=ids,
            clock=clock,
            policy=policy,
            recording_path=recording_path,
            offered=offered,
        ),
        agents=AgentService(records, ids=ids, clock=clock, offered=offered),
        trunks=TrunkService(records, ids=ids, clock=clock),
        numbers=NumberService(records, ids=ids, clock=clock),
        secrets=SecretService(records, ids=ids, clock=clock),
        webhooks=WebhookService(records, ids=ids, clock=clock, formats=around.formats),
        deliveries=DeliveryService(around.deliveries, clock=clock),
        keys=KeyService(records, ids=ids, clock=clock),
        workspaces=WorkspaceService(records, clock=clock),
        catalogue=around.catalogue,
        checker=around.checker,
        ids=ids,
        clock=clock,
    )
