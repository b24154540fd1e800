"""All fakes as one server process: websockets at a port, HTTP at the next.

    python -m tests.providers.vendors --port 9000 --turns script.txt --fault hang

`script.txt` has one line for each turn that is heard. Prints `ready` with both addresses and the
key once it serves, and serves until it is told to end.
"""

import argparse
import asyncio
import signal
from dataclasses import replace
from pathlib import Path

from tests.providers.vendors.anthropic import Anthropic
from tests.providers.vendors.assemblyai import AssemblyAI
from tests.providers.vendors.behaviour import Behaviour, Fault
from tests.providers.vendors.cartesia import Cartesia
from tests.providers.vendors.deepgram import DeepgramAura, DeepgramFlux, DeepgramNova
from tests.providers.vendors.elevenlabs import ElevenLabs
from tests.providers.vendors.google import Google
from tests.providers.vendors.openai import OpenAI
from tests.providers.vendors.openai_realtime import OpenAIRealtime
from tests.providers.vendors.requests import answering
from tests.providers.vendors.sockets import KEY, serving
from tests.providers.vendors.soniox import Soniox


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.providers.vendors")
    usual = Behaviour()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 for any two free ones")
    parser.add_argument("--turns", type=Path, help="what is heard, a line for each turn")
    parser.add_argument("--replies", type=Path, help="what the models answer, a line for each")
    parser.add_argument("--final-after", type=float, default=usual.final_after)
    parser.add_argument("--first-token", type=float, default=usual.first_token)
    parser.add_argument("--tokens-per-second", type=float, default=usual.tokens_per_second)
    parser.add_argument("--first-sound", type=float, default=usual.first_sound)
    parser.add_argument("--real-time", type=float, default=usual.real_time)
    parser.add_argument(
        "--fault", action="append", default=[], choices=["none", *Fault],
        help="what goes wrong in the first turn, text and request of each vendor; again for more",
    )  # fmt: skip
    return parser.parse_args()


def behaviour_of(given: argparse.Namespace) -> Behaviour:
    usual = Behaviour()
    return Behaviour(
        turns=given.turns.read_text().splitlines() if given.turns else usual.turns,
        replies=given.replies.read_text().splitlines() if given.replies else usual.replies,
        final_after=given.final_after,
        first_token=given.first_token,
        tokens_per_second=given.tokens_per_second,
        first_sound=given.first_sound,
        real_time=given.real_time,
        faults=[None if fault == "none" else Fault(fault) for fault in given.fault],
    )


async def main() -> None:
    given = arguments()
    behaviour = behaviour_of(given)

    def own() -> Behaviour:
        """Each vendor uses up its own list."""
        return replace(
            behaviour,
            turns=[*behaviour.turns],
            replies=[*behaviour.replies],
            faults=[*behaviour.faults],
        )

    sockets = [
        DeepgramNova(own()), DeepgramFlux(own()), DeepgramAura(own()), AssemblyAI(own()),
        Soniox(own()), ElevenLabs(own()), Cartesia(own()), OpenAIRealtime(own()),
    ]  # fmt: skip
    # The first whose path fits answers: OpenAI's, which fits nearly all, comes last.
    requests = [Anthropic(own()), Google(own()), OpenAI(own())]
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = given.port
    async with (
        serving(*sockets, host=given.host, port=port) as streaming,
        answering(*requests, host=given.host, port=port + 1 if port else 0) as http,
    ):
        print(f"ready {streaming} {http} {KEY}", flush=True)
        await stop.wait()


asyncio.run(main())
