"""The vendor's published client conducts a whole call: an agent with a model, over SIP, to a callee
that answers; the model uses an external action, which is signed as the vendor signs."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

from tests.dialects.vocode_client import held_to_the_contract, old_fashioned, vocode
from tests.e2e.dialects import FROM, PATIENCE, TO, receiver
from tests.e2e.server import HOST, callee
from tests.e2e.test_model_agents import answer, server_with
from tests.providers.openai_server import Asked, Client
from tests.webhooks.server import Endpoint, Received


async def book_then_say_goodbye(client: Client, asked: Asked) -> None:
    """Use the tool once, then end the conversation with the phrase that the agent hangs up on."""
    if not asked.path.endswith("/chat/completions") or b'"role": "tool"' in asked.body:
        await answer(client, asked)
        return
    call = {
        "index": 0,
        "id": "use_1",
        "type": "function",
        "function": {"name": "book", "arguments": '{"day": "tuesday"}'},
    }
    await client.head(200, "text/event-stream")
    await client.event({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": None}]})
    await client.event({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    await client.event("[DONE]")
    await client.end()


def external(url: str) -> vocode.ExternalActionParams:
    return vocode.ExternalActionParams(
        type="action_external",
        config=vocode.ExternalActionConfig(
            name="book",
            description="Books an appointment.",
            url=url,
            input_schema={"type": "object", "properties": {"day": {"type": "string"}}},
            speak_on_send=False,
            speak_on_receive=True,
        ),
    )


def farewell() -> vocode.EndConversationActionParams:
    trigger = vocode.PhraseTrigger(phrase="goodbye", conditions=["phrase_condition_type_contains"])
    return vocode.EndConversationActionParams(
        type="action_end_conversation",
        action_trigger=vocode.PhraseBasedActionTriggerInput(
            config=vocode.PhraseBasedActionTriggerConfig(phrase_triggers=[trigger])
        ),
    )


def wait(client: vocode.Vocode, call: vocode.Call) -> vocode.Call:
    """As a user of the client would: ask until it has ended."""
    deadline = time.monotonic() + PATIENCE
    while call.status not in ("ended", "error"):
        assert time.monotonic() < deadline, call
        time.sleep(0.5)
        call = client.calls.get_call(id=call.id)
    return call


def told(hooks: Endpoint, name: str, call_id: str) -> Received:
    """The first delivery of an event, now or later."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for received in list(hooks.received):
            if name.encode() in received.body and call_id.encode() in received.body:
                return received
        time.sleep(0.1)
    raise AssertionError(f"{name} was not delivered: {[one.body for one in hooks.received]}")


@old_fashioned
def test_a_call_from_its_agent_to_its_recording(tmp_path: Path) -> None:
    with (
        receiver() as hooks,
        server_with(book_then_say_goodbye, tmp_path / "server") as (server, services),
        callee(tmp_path, "agrees") as patient,
        held_to_the_contract(f"{server.url}/vocode", server.key) as client,
    ):
        trunk = {"name": "callee", "host": HOST, "port": patient.port, "is_default": True}
        server.client.post("/v1/trunks", trunk)
        connection = client.account_connections.create_account_connection(
            request=vocode.TwilioAccountConnectionParams(
                type="account_connection_twilio",
                credentials=vocode.TwilioCredentials(
                    twilio_account_sid="AC1", twilio_auth_token="t"
                ),
            )
        )
        number = client.numbers.link_number(
            phone_number=FROM[1:], telephony_account_connection=connection.id
        )
        action = client.actions.create_action(request=external(hooks.url))
        assert isinstance(action, vocode.ExternalAction)
        voice = client.voices.create_voice(request=vocode.AzureVoiceParams(voice_name="en-us"))
        webhook = client.webhooks.create_webhook(
            subscriptions=[
                "event_phone_call_connected",
                "event_message",
                "event_action",
                "event_recording",
            ],
            url=hooks.url,
        )
        agent = client.agents.create_agent(
            prompt=vocode.PromptParams(content="Book an appointment for ${name}."),
            voice=voice.id,
            actions=[action.id, farewell()],
            webhook=webhook.id,
            initial_message="Hello ${name}, shall I book you for Tuesday?",
        )
        call = client.calls.create_call(
            from_number=number.number, to_number=TO[1:], agent=agent.id, context={"name": "Ana"}
        )
        call = wait(client, call)
        assert (call.status, call.stage_outcome) == ("ended", "bot_disconnected"), call
        lines = (call.transcript or "").splitlines()
        assert lines[0] == "BOT: Hello Ana, shall I book you for Tuesday?"
        assert lines[1].startswith("HUMAN: ")
        assert lines[-1] == "BOT: Very well, you are booked. Goodbye."
        assert call.recording_available
        sound = b"".join(client.calls.get_recording(id=call.id))
        assert len(sound) > 10_000
        assert client.usage.get_usage().monthly_usage_minutes >= 1

        def payload(name: str) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(told(hooks, name, call.id).body)["payload"]
            return found

        assert payload("event_phone_call_connected")["to_phone_number"] == TO
        assert payload("event_message")["sender"] == "bot"
        assert payload("event_action")["action_input"] == {
            "action": "book",
            "params": {"day": "tuesday"},
        }
        assert payload("event_recording")["recording_url"].startswith("http")

        (asked,) = [one for one in hooks.received if "x-vocode-signature" in one.headers]
        assert json.loads(asked.body) == {"call_id": call.id, "payload": {"day": "tuesday"}}
        key = base64.b64decode(action.config.signature_secret or "")
        code = base64.b64encode(hmac.digest(key, asked.body, hashlib.sha256)).decode()
        assert asked.headers["x-vocode-signature"] == code

        prompts = [
            one.json()["messages"] for one in services.asked if one.path.endswith("completions")
        ]
        assert "Book an appointment for Ana." in json.dumps(prompts[0])
