"""The vendor's client with every answer held against the specification before it is read."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.dialects import vocode_contract as contract

with warnings.catch_warnings():  # the client was generated for two versions of pydantic at once
    warnings.simplefilter("ignore")
    import vocode
    from vocode.core import ApiError

__all__ = ["ApiError", "held_to_the_contract", "old_fashioned", "vocode"]

old_fashioned = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
"""For tests that use the client, which uses what pydantic no longer likes."""


def _check(response: httpx.Response) -> None:
    kind = response.headers["content-type"]
    body = b"" if kind == "audio/mpeg" else response.read()
    request = response.request
    contract.check(request.method, request.url.path, response.status_code, kind, body)


@contextmanager
def held_to_the_contract(base_url: str, token: str) -> Iterator[vocode.Vocode]:
    with httpx.Client(
        event_hooks={"response": [_check]}, timeout=30.0, trust_env=False
    ) as transport:
        yield vocode.Vocode(base_url=base_url, token=token, httpx_client=transport)
