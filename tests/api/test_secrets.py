"""Secrets of tools over the API: in they go, out they never come."""

from tests.api.conftest import Api


def test_a_secret_goes_in_and_never_comes_out(api: Api) -> None:
    made = api.post("/v1/secrets", {"name": "CRM_KEY", "value": "very-secret"}, "Secret")
    assert made["name"] == "CRM_KEY"
    path = f"/v1/secrets/{made['id']}"
    shown = [made, api.get(path, "Secret"), api.get("/v1/secrets", "SecretList")]
    shown.append(api.patch(path, {"value": "another-one"}, "Secret"))
    assert "very-secret" not in str(shown) and "another-one" not in str(shown)
    assert api.records.secrets[made["id"]].value == "another-one"
    api.delete(path)
    api.refused("GET", path, 404, "not_found")


def test_names_are_taken_once_and_have_to_be_names(api: Api) -> None:
    api.post("/v1/secrets", {"name": "CRM_KEY", "value": "a"}, "Secret")
    again = {"name": "CRM_KEY", "value": "b"}
    api.refused("POST", "/v1/secrets", 409, "secret_exists", json=again)
    for bad in (
        {"name": "a b", "value": "x"},
        {"name": "A", "value": ""},
        {"name": "A", "value": "a\nb"},
    ):
        api.refused("POST", "/v1/secrets", 422, "invalid_request", json=bad)


def test_what_is_wrong_with_tools_is_told_field_by_field(api: Api) -> None:
    book: dict[str, object] = {
        "type": "http",
        "name": "book",
        "description": "Book.",
        "url": "https://example.com/",
    }
    cases: list[tuple[list[dict[str, object]], str]] = [
        ([{**book, "name": "book it"}], "tools.0.name"),
        ([book, book], "tools.1.name"),
        ([{**book, "description": " "}], "tools.0.description"),
        ([{**book, "url": "https://{{arguments.host}}/"}], "tools.0.url"),
        ([{**book, "url": "https://u:p@example.com/"}], "tools.0.url"),
        ([{**book, "headers": {"Host": "evil"}}], "tools.0.headers.Host"),
        ([{**book, "signature": {"header": "Host", "secret": "K"}}], "tools.0.signature.header"),
        ([{**book, "signature": {"header": "X", "secret": "a b"}}], "tools.0.signature.secret"),
        ([{**book, "headers": {"X": "{{oops"}}], "tools.0.headers.X"),
        ([{**book, "deadline": 600}], "tools.0.deadline"),
        ([{**book, "parameters": {"type": "array"}}], "tools.0.parameters.type"),
        ([{**book, "body": {"a": ["{{arguments.}}"]}}], "tools.0.body"),
        ([{**book, "progress": {"after": 0}}], "tools.0.progress.after"),
        ([{"type": "transfer", "targets": []}], "tools.0.targets"),
        ([{"type": "transfer", "targets": [{"name": "x", "to": "911"}]}], "tools.0.targets.0.to"),
        ([{"type": "end_call", "outcomes": ["a", "a"]}], "tools.0.outcomes"),
        ([{"type": "mcp", "name": "m", "url": "https://e.com/{{lead}}"}], "tools.0.url"),
        ([{"type": "handoff", "agents": [{"name": "x", "agent_id": "../x"}]}],
         "tools.0.agents.0.agent_id"),
    ]  # fmt: skip
    for tools, field in cases:
        body = {"name": "A", "prompt": "Talk.", "tools": tools}
        problem = api.refused("POST", "/v1/agents", 422, "invalid_request", json=body)
        assert field in [error["field"] for error in problem["errors"]], (tools, problem)


def test_an_agent_with_every_kind_of_tool_comes_back_as_it_was_given(api: Api) -> None:
    tools: list[dict[str, object]] = [
        {"type": "http", "name": "book", "description": "Book.", "url": "https://e.com/{{lead}}"},
        {"type": "transfer", "targets": [{"name": "sales", "to": "+14155550111"}]},
        {"type": "end_call"},
        {"type": "digits"},
        {"type": "voicemail"},
        {"type": "handoff", "agents": [{"name": "billing", "agent_id": "agent_1"}]},
        {"type": "mcp", "name": "shop", "url": "https://example.com/mcp"},
    ]
    body = {"name": "A", "prompt": "Talk.", "tools": tools}
    made = api.post("/v1/agents", body, "Agent")
    assert [tool["type"] for tool in made["tools"]] == [tool["type"] for tool in tools]
    changed = api.patch(f"/v1/agents/{made['id']}", {"tools": tools[:1]}, "Agent")
    assert len(changed["tools"]) == 1


def test_a_call_whose_agent_could_put_through_to_a_barred_place_is_refused(api: Api) -> None:
    targets = [{"name": "abroad", "to": "sip:abroad@example.com"}]
    agent = {"name": "A", "prompt": "Talk.", "tools": [{"type": "transfer", "targets": targets}]}
    api.post("/v1/trunks", {"name": "t", "host": "127.0.0.1"}, "Trunk")
    call = {"to": "+14155550100", "agent": agent, "from": None}
    api.refused("POST", "/v1/calls", 403, "destination_not_allowed", json=call)
