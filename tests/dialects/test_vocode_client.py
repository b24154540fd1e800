"""The vendor's own Python client, `vocode-api` 0.0.48, against a server on a real socket.

It is used as its users use it; each answer is held against the specification on its way.
"""

from collections.abc import Iterator
from importlib.metadata import version

import pytest

from strowger.api.dialects.forms import id_of
from tests.api.house import served
from tests.dialects.conftest import NOW, Shop, record_silence
from tests.dialects.vocode_client import ApiError, held_to_the_contract, old_fashioned, vocode

pytestmark = old_fashioned

FROM, TO = "14155550000", "14155550100"


@pytest.fixture
def client(shop: Shop) -> Iterator[vocode.Vocode]:
    portal = shop.client.portal
    assert portal is not None
    with (
        portal.wrap_async_context_manager(served(shop.client.app)) as address,  # type: ignore[arg-type]
        held_to_the_contract(f"{address.base_url}/vocode", shop.key) as made,
    ):
        yield made


def test_it_is_the_published_client() -> None:
    assert version("vocode-api") == "0.0.48"


def test_a_whole_session(client: vocode.Vocode, shop: Shop) -> None:
    """Agents, actions, voices, webhooks, numbers, then a call until it has ended."""
    farewell = client.actions.create_action(
        request=vocode.EndConversationActionParams(
            action_trigger=vocode.PhraseBasedActionTriggerInput(
                config=vocode.PhraseBasedActionTriggerConfig(
                    phrase_triggers=[
                        vocode.PhraseTrigger(
                            phrase="goodbye", conditions=["phrase_condition_type_contains"]
                        )
                    ]
                )
            )
        )
    )
    assert isinstance(farewell, vocode.EndConversationAction)
    voice = client.voices.create_voice(
        request=vocode.AzureVoiceParams(voice_name="en-gb", pitch=0, rate=10)
    )
    assert isinstance(voice, vocode.AzureVoice)
    webhook = client.webhooks.create_webhook(
        subscriptions=["event_message", "event_phone_call_ended"], url="https://example.com/hook"
    )
    assert webhook.method == "POST"
    agent = client.agents.create_agent(
        name="Reception",
        prompt=vocode.PromptParams(content="You are talking to ${name}."),
        voice=voice.id,
        actions=[
            farewell.id,
            vocode.TransferCallActionParams(
                config=vocode.TransferCallConfig(phone_number="15555555555")
            ),
        ],
        webhook=webhook.id,
        initial_message="Hello ${name}",
        idle_time_seconds=20,
    )
    assert agent.voice == voice
    assert [action.type for action in agent.actions] == [
        "action_end_conversation",
        "action_transfer_call",
    ]
    changed = client.agents.update_agent(
        id=agent.id,
        prompt=vocode.PromptUpdateParams(content="You are kind to ${name}."),
        webhook=vocode.WebhookUpdateParams(method="GET"),
        name=None,
    )
    assert (changed.prompt.id, changed.prompt.content) == (
        agent.prompt.id,
        "You are kind to ${name}.",
    )
    assert changed.name is None and changed.webhook is not None and changed.webhook.method == "GET"
    assert client.agents.get_agent(id=agent.id) == changed
    assert client.agents.list_agents().items[0].voice == voice.id

    connection = client.account_connections.create_account_connection(
        request=vocode.TwilioAccountConnectionParams(
            credentials=vocode.TwilioCredentials(twilio_account_sid="AC1", twilio_auth_token="t")
        )
    )
    number = client.numbers.link_number(
        phone_number="14155550001",
        telephony_account_connection=connection.id,
        inbound_agent=agent.id,
    )
    assert number.inbound_agent == changed
    assert client.numbers.update_number(phone_number=number.number, label="Desk").label == "Desk"
    assert {row.number for row in client.numbers.list_numbers(size=5).items} == {
        "+14155550000",
        "14155550001",
    }

    call = client.calls.create_call(
        from_number=FROM, to_number=TO, agent=agent.id, context={"name": "Juan"}
    )
    assert (call.status, call.to_number, call.from_number) == ("not_started", TO, FROM)
    shop.conduct(id_of("call", call.id))
    record_silence(shop, id_of("call", call.id))
    call = client.calls.get_call(id=call.id)
    assert call.status == "ended"
    assert call.transcript == "BOT: Hello, is this Juan?\nHUMAN: Yes, it is.\nBOT: Goodbye."
    assert isinstance(call.start_time, str)
    assert call.recording_available
    sound = b"".join(client.calls.get_recording(id=call.id))
    assert sound[:3] == b"ID3" or sound[0] == 0xFF
    (row,) = client.calls.list_calls(page=1, size=10, sort_column="id", sort_desc=True).items
    assert (row.id, row.agent, row.end_time) == (call.id, agent.id, NOW + 8)
    assert client.calls.end_call(id=call.id).status == "ended"
    assert client.usage.get_usage().monthly_usage_minutes == 1
    assert client.numbers.cancel_number(phone_number=number.number).active is False


def test_an_agent_given_with_the_call(client: vocode.Vocode) -> None:
    call = client.calls.create_call(
        from_number=FROM,
        to_number=TO,
        agent=vocode.CreateCallAgentParams(
            prompt=vocode.PromptParams(content="Sell."),
            voice=vocode.ElevenLabsVoiceParams(voice_id="x", stability=0.2),
            webhook=vocode.WebhookParams(
                subscriptions=["event_transcript"], url="https://example.com/h"
            ),
        ),
        on_no_human_answer="hangup",
        hipaa_compliant=True,
    )
    assert isinstance(call.agent.voice, vocode.ElevenLabsVoice)
    assert call.on_no_human_answer == "hangup"
    assert client.agents.get_agent(id=call.agent.id).prompt.content == "Sell."


def test_prompts_vector_databases_and_external_actions(client: vocode.Vocode) -> None:
    prompt = client.prompts.create_prompt(
        content="Hi",
        collect_fields=[vocode.CollectField(label="Address", name="email")],
    )
    assert client.prompts.update_prompt(id=prompt.id, content="Ho").collect_fields is not None
    assert client.prompts.list_prompts().total == 1
    database = client.vector_databases.create_vector_database(
        index="i", api_key="k", api_environment="e"
    )
    changed = client.vector_databases.update_vector_database(id=database.id, index="j")
    assert (changed.index, changed.api_key) == ("j", "k")
    action = client.actions.create_action(
        request=vocode.ExternalActionParams(
            config=vocode.ExternalActionConfig(
                name="book",
                description="Books a table.",
                url="https://example.com/book",
                input_schema={"type": "object", "properties": {}},
                speak_on_send=True,
                speak_on_receive=True,
            )
        )
    )
    assert isinstance(action, vocode.ExternalAction)
    assert action.config.signature_secret
    assert client.actions.get_action(id=action.id) == action


def test_what_goes_wrong_is_raised_as_the_client_documents(client: vocode.Vocode) -> None:
    with pytest.raises(vocode.UnprocessableEntityError) as invalid:
        client.calls.create_call(from_number=FROM, to_number="12", agent="Bob")
    assert invalid.value.body.detail[0].loc == ["body", "agent"]
    with pytest.raises(ApiError) as missing:
        client.calls.get_call(id="0192f0c1-0000-7000-8000-000000000000")
    assert missing.value.status_code == 404
    for refused in (client.numbers.buy_number, client.metrics_metrics_get):
        with pytest.raises(ApiError) as unserved:
            refused()
        assert unserved.value.status_code == 501
        assert "Strowger" in str(unserved.value.body) or "server" in str(unserved.value.body)
