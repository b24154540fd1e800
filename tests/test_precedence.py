"""How a worker asks to be served first, by a system that lets one at a time ask."""

import os
import time
from dataclasses import dataclass, field

import pytest

from strowger import precedence


@dataclass
class Session:
    """Linux's file for the precedence of a session, as `sched(7)` has it."""

    answers: list[type[OSError] | None] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def write_text(self, text: str) -> None:
        if self.answers and (refusal := self.answers.pop(0)) is not None:
            raise refusal
        self.written.append(text)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session()
    monkeypatch.setattr(os, "setpriority", lambda *_: None)
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(precedence, "OF_SESSION", made)
    return made


def test_a_worker_that_asks_while_another_does_asks_again(session: Session) -> None:
    session.answers = [BlockingIOError, BlockingIOError, None]
    assert precedence.take_precedence(-10)
    assert session.written == ["-10"]


def test_it_gives_up_asking_where_it_never_comes_to_its_turn(session: Session) -> None:
    session.answers = [BlockingIOError] * 1000
    assert precedence.take_precedence(-10)
    assert not session.written
    assert session.answers, "it has not asked for ever"


@pytest.mark.parametrize("refusal", [PermissionError, FileNotFoundError])
def test_where_sessions_have_none_its_own_has_to_do(
    session: Session, refusal: type[OSError]
) -> None:
    session.answers = [refusal, None]
    assert precedence.take_precedence(-10)
    assert not session.written
