"""A call on the terminal as it happens: who says what, how long the answer took, how it ended."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

_STEPS = {
    "call.queued": "queued",
    "call.initiated": "dialling",
    "call.ringing": "ringing",
    "call.answered": "answered",
}
_SPEAKERS = {"agent": ("agent ", "cyan"), "callee": ("callee", "green"), "tool": ("tool  ", "blue")}


class LiveView:
    """Prints events of one call, one line each."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Print until the call is over; return the call as its last event has it."""
        last: dict[str, Any] = {}
        for event in events:
            self.event(event)
            last = event["data"]
        return last

    def event(self, event: dict[str, Any]) -> None:
        kind, data = event["type"], event["data"]
        if kind == "call.turn":
            self._turn(data["turn"])
        elif kind == "call.provider_switched":
            said = f"          · {data['to']} in place of {data['from']}: {data['reason']}"
            self._console.print(Text(said, style="yellow"), soft_wrap=True)
        elif kind in _STEPS:
            self._console.print(Text(f"          · {_STEPS[kind]}", style="dim"))
        elif kind in {"call.completed", "call.failed"}:
            self._over(data)

    def _turn(self, turn: dict[str, Any]) -> None:
        name, style = _SPEAKERS.get(turn["role"], (turn["role"], "white"))
        line = Text(f"{turn['started_at']:7.2f} s  ")
        line.append(f"{name}  ", style=f"bold {style}")
        line.append(turn["text"] or "(no words understood)")
        if turn["interrupted"]:
            line.append(" —interrupted", style="yellow")
        latency = (turn.get("latency") or {}).get("total")
        if latency is not None:
            line.append(f"   {latency * 1000:.0f} ms", style="magenta")
        self._console.print(line, soft_wrap=True)

    def _over(self, call: dict[str, Any]) -> None:
        said = f"          · {call['status']}: {call['end_reason']}"
        if call.get("sip_status") not in {None, 200}:
            said += f" (SIP {call['sip_status']})"
        if call.get("error"):
            said += f" — {call['error']}"
        self._console.print(Text(said, style="dim"), soft_wrap=True)
