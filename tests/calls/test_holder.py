"""What customers read of the services that hold a call one after the other."""

from strowger.agent import SpeechToSpeechSettings
from strowger.calls.speech_to_speech.holder import KIND, Holder
from strowger.calls.switching import Switches
from strowger.model import ProviderSwitch

OPENAI = SpeechToSpeechSettings(provider="openai")
MINI = SpeechToSpeechSettings(provider="openai", model="gpt-realtime-mini", voice="cedar")
KEPT = SpeechToSpeechSettings(provider="elevenlabs", agent_id="agent_7")
OTHER = SpeechToSpeechSettings(provider="elevenlabs", agent_id="agent_8")


def held() -> tuple[Holder, list[ProviderSwitch]]:
    told: list[ProviderSwitch] = []
    switches = Switches(told.append)
    switches.begin(KIND, "openai")
    holder = Holder(switches)
    holder.asked(OPENAI)
    return holder, told


def changes(told: list[ProviderSwitch]) -> list[tuple[str, str, str]]:
    return [(each.before, each.after, each.reason) for each in told]


def test_another_model_of_the_same_service_is_another_service() -> None:
    holder, told = held()
    holder.failed("openai has no such model")
    holder.asked(MINI)
    holder.connected()
    assert changes(told) == [
        ("openai", "openai (gpt-realtime-mini, cedar)", "openai has no such model")
    ]


def test_a_second_connection_to_the_same_service_is_none() -> None:
    holder, told = held()
    for _ in range(2):
        holder.connected()
        holder.failed("openai broke off")
        holder.asked(OPENAI)
    assert told == []


def test_another_agent_at_the_same_service_is_another_and_so_is_its_default() -> None:
    holder, told = held()
    for settings in (KEPT, OTHER, MINI):
        holder.failed("it broke off")
        holder.asked(settings)
        holder.connected()
    holder.failed("it broke off")
    holder.handed_over(MINI)
    holder.failed("it broke off")
    holder.asked(OPENAI)
    holder.connected()
    assert [each.after for each in told] == [
        "elevenlabs",
        "elevenlabs (agent_8)",
        "openai (gpt-realtime-mini, cedar)",
        "openai (its default)",
    ]


def test_one_that_says_nothing_is_told_of_like_one_that_says_what_is_wrong() -> None:
    holder, told = held()
    holder.connected()
    holder.asked(KEPT)
    holder.connected()
    assert changes(told) == [("openai", "elevenlabs", "openai did not answer in time")]
    holder.failed("elevenlabs broke off")
    assert holder.problem == "openai did not answer in time; elevenlabs broke off"


def test_the_last_of_all_may_be_the_one_that_says_nothing() -> None:
    holder, _ = held()
    holder.failed("openai refused the key (401)")
    holder.asked(KEPT)
    holder.connected()
    assert holder.problem == "openai refused the key (401)"
    holder.given_up()
    assert holder.problem == "openai refused the key (401); elevenlabs did not answer in time"


def test_a_colleagues_service_is_no_change_and_what_it_was_taken_from_has_not_failed() -> None:
    holder, told = held()
    holder.connected()
    holder.handed_over(MINI)
    holder.connected()
    assert told == []
    assert holder.problem is None
    holder.failed("openai broke off")
    holder.asked(OPENAI)
    holder.connected()
    assert changes(told) == [("openai", "openai (its default)", "openai broke off")]
