import pytest

from tests.postgres import database_url

__all__ = ["database_url"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
