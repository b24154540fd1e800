"""What both clients do, written once: plans that say what to send, and shells that send it.

A plan is a generator. It yields what is to be done next, is given what came of it, and returns
the answer; it never touches the network or a clock's pause itself. A shell (`blocking`,
`asynchronous`) does one step after the other and decides nothing. A resource's methods are plans
marked as `operation` or `series`; looked up on a resource, they are functions that run the plan,
with the types of the client that the resource belongs to.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import httpx2

from strowger.client.requests import Asked, RetryPolicy

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request. Gives its answer, or what kept it from coming."""

    request: Asked


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request, and leave the body of its answer on the line if it is a good one."""

    request: Asked


@dataclass(frozen=True, slots=True)
class NextLine:
    """Read on in what was opened last. Gives a line, None at the end, or what broke the line."""


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One thing of a series, for whoever walks it."""

    value: T


Step = Send | Open | NextLine | Pause
Reply = httpx2.Response | httpx2.TransportError | str | None
Plan = Generator[Step, Reply, T]
Series = Generator[Step | Item[T], Reply, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a client behaves."""

    url: str
    timeout: float
    """Seconds for each try."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    jitter: Callable[[], float]
    """From 0 to 1."""


class BlockingShell(ABC):
    """Does the steps of plans while the program waits."""

    manner: Manner

    @abstractmethod
    def run(self, plan: Plan[T]) -> T: ...
    @abstractmethod
    def each(self, series: Series[T]) -> Iterator[T]: ...


class AsyncShell(ABC):
    """Does the steps of plans on an event loop."""

    manner: Manner

    @abstractmethod
    async def run(self, plan: Plan[T]) -> T: ...
    @abstractmethod
    def each(self, series: Series[T]) -> AsyncIterator[T]: ...


S = TypeVar("S", bound=BlockingShell | AsyncShell)


class Resource(Generic[S]):
    """A part of the API, for one client."""

    def __init__(self, shell: S) -> None:
        self._shell: S = shell


class operation(Generic[P, T]):
    """A method that both clients have: a function of the one, a coroutine function of the other."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Plan[T]]) -> None:
        self.plan = plan
        update_wrapper(self, plan)  # type: ignore[arg-type]

    @overload
    def __get__(self, of: None, owner: type) -> Self: ...
    @overload
    def __get__(self, of: Resource[BlockingShell], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, of: Resource[AsyncShell], owner: type
    ) -> Callable[P, Coroutine[None, None, T]]: ...
    def __get__(self, of: Any, owner: type) -> Any:
        if of is None:
            return self

        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return of._shell.run(self.plan(of, *args, **kwargs))

        return update_wrapper(run, self.plan)


class series(Generic[P, T]):
    """A method that both clients have: it walks things, with `for` or with `async for`."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Series[T]]) -> None:
        self.plan = plan
        update_wrapper(self, plan)  # type: ignore[arg-type]

    @overload
    def __get__(self, of: None, owner: type) -> Self: ...
    @overload
    def __get__(self, of: Resource[BlockingShell], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, of: Resource[AsyncShell], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, of: Any, owner: type) -> Any:
        if of is None:
            return self

        def each(*args: P.args, **kwargs: P.kwargs) -> Any:
            return of._shell.each(self.plan(of, *args, **kwargs))

        return update_wrapper(each, self.plan)
