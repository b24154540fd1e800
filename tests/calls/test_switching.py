"""What a customer is told of the providers that a call changes to."""

from strowger.calls.switching import LONGEST_REASON, Switches, plain
from strowger.conversation.events import ProviderKind
from strowger.model import ProviderSwitch

EARS, VOICE = ProviderKind.SPEECH_TO_TEXT, ProviderKind.TEXT_TO_SPEECH
NO_KEY = {"elevenlabs": "elevenlabs has no credit left"}


def switch(before: str, after: str, reason: str) -> ProviderSwitch:
    return ProviderSwitch(kind="text_to_speech", before=before, after=after, reason=reason)


def test_a_voice_that_fails_at_every_sentence_is_told_of_once_and_its_return_too() -> None:
    told: list[ProviderSwitch] = []
    switches = Switches(told.append)
    switches.begin(VOICE, "elevenlabs")
    switches.provider_used(VOICE, "elevenlabs", {})
    assert told == []
    for _ in range(3):
        switches.provider_used(VOICE, "cartesia", NO_KEY)
    switches.provider_used(VOICE, "elevenlabs", {})
    assert told == [
        switch("elevenlabs", "cartesia", "elevenlabs has no credit left"),
        switch("cartesia", "elevenlabs", "elevenlabs answers again"),
    ]


def test_the_reason_is_that_of_the_one_that_was_in_use() -> None:
    told: list[ProviderSwitch] = []
    switches = Switches(told.append)
    switches.begin(VOICE, "elevenlabs")
    switches.provider_used(VOICE, "cartesia", NO_KEY | {"deepgram": "deepgram broke off"})
    switches.provider_used(VOICE, "local", {})
    assert [(each.after, each.reason) for each in told] == [
        ("cartesia", "elevenlabs has no credit left"),
        ("local", "cartesia did not answer"),
    ]


def test_each_kind_has_its_own_in_use() -> None:
    told: list[ProviderSwitch] = []
    switches = Switches(told.append)
    switches.begin(VOICE, "local")
    switches.begin(EARS, "deepgram")
    switches.provider_used(VOICE, "local", {"deepgram": "deepgram broke off"})
    switches.provider_used(EARS, "local", {"deepgram": "deepgram broke off"})
    assert [(each.kind, each.before) for each in told] == [("speech_to_text", "deepgram")]


def test_what_an_agent_says_last_once_another_has_taken_over_is_no_switch() -> None:
    told: list[ProviderSwitch] = []
    switches = Switches(told.append)
    switches.begin(VOICE, "elevenlabs")
    switches.end()
    switches.provider_used(VOICE, "cartesia", NO_KEY)
    assert told == []


def test_a_reason_tells_no_password_and_is_a_line_at_most() -> None:
    assert plain("http://ann:s3cret@proxy:80/v1\n cannot be reached") == (
        "http://proxy:80/v1 cannot be reached"
    )
    assert plain("wss://ann:p@ss@host/v1 broke off") == "wss://host/v1 broke off"
    assert plain("https://host/v1?to=ann@post broke off") == "https://host/v1?to=ann@post broke off"
    assert len(plain("x" * 1000)) == LONGEST_REASON
