"""The vendor's client with every answer held against the specification before it is read."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from vocode.client import Vocode

from tests.dialects import vocode_contract as contract


def _check(response: httpx.Response) -> None:
    kind = response.headers["content-type"]
    body = b"" if kind == "audio/mpeg" else response.read()
    request = response.request
    contract.check(request.method, request.url.path, response.status_code, kind, body)


@contextmanager
def held_to_the_contract(base_url: str, token: str) -> Iterator[Vocode]:
    with httpx.Client(
        event_hooks={"response": [_check]}, timeout=30.0, trust_env=False
    ) as transport:
        yield Vocode(base_url=base_url, token=token, httpx_client=transport)
