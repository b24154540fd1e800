"""A whole run with planted secrets, and then every word it left behind: none of them is in it."""

import asyncio
import base64
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from strowger.commands.demo import read_example
from strowger.commands.receiver import open_receiver
from strowger.errors import StrowgerError
from strowger.store import embedded
from strowger.store.connect import connect
from tests.e2e.server import HOST, Server, callee, run, serve

TRUNK_PASSWORD = "Pl4nted-trunk-password"
CONFIGURED = "Pl4nted-configured-password"
OPENAI = "sk-Pl4nted-provider-key"
REFUSED = "Pl4nted-refused-password"


async def dump(data: Path) -> str:
    """Everything in the server's database, as text."""
    running = await asyncio.to_thread(embedded.start, data)
    connection = await connect(running.url)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        rows = [
            str(row[0])
            for (name,) in tables
            for row in await connection.fetch(f'SELECT t::text FROM "{name}" t')
        ]
        return "\n".join(rows)
    finally:
        await connection.close()


def said_of_mistakes(server: Server) -> str:
    """What is answered to requests that hold a secret in a place where it cannot be used."""
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("/v1/trunks", {"name": "x", "host": "h", "password": REFUSED}),
        ("/v1/trunks", {"name": "x", "host": "h", "username": "u", "password": [REFUSED]}),
        ("/v1/trunks", {"name": "x", "host": "h", "username": "u", "password": REFUSED + "\n"}),
        ("/v1/trunks", {"name": "x", "host": 5, "username": "u", "password": REFUSED}),
        ("/v1/webhooks", {"url": f"https://me:{REFUSED}@example.com/"}),
    ]
    answers = []
    for path, body in wrong:
        try:
            answers.append(json.dumps(server.client.post(path, body)))
        except StrowgerError as error:
            answers.append(str(error))
    return "\n".join(answers)


async def live(server: Server, folder: Path) -> tuple[dict[str, str], str]:
    """A call with everything that has a secret; returns these, and all that was answered."""
    seen: list[str] = []

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        return server.client.post(path, body)

    async with open_receiver() as receiver:
        with callee(folder, "agrees") as patient:
            trunk = post(
                "/v1/trunks",
                {
                    "name": "t", "host": HOST, "port": patient.port, "is_default": True,
                    "username": "agent", "password": TRUNK_PASSWORD,
                },
            )  # fmt: skip
            hook = post("/v1/webhooks", {"url": receiver.url})
            old = hook.pop("secret")
            rotated = post(f"/v1/webhooks/{hook['id']}/rotate", {})
            new = rotated.pop("secret")
            receiver.secret = old  # it has not heard of the new one yet: both sign
            key = post("/v1/api-keys", {"name": "k", "scopes": ["calls:read"]})
            text = key.pop("key")
            post(f"/v1/trunks/{trunk['id']}/check", {})
            post(f"/v1/webhooks/{hook['id']}/test", {})
            call = post(
                "/v1/calls",
                {"to": "+14155550100", "agent": read_example(), "webhook_url": receiver.url},
            )
            over = await asyncio.to_thread(server.wait, call["id"])
            assert over["status"] == "completed"
            async with asyncio.timeout(20):
                told = await receiver.wait_for("call.completed")
            assert told.verified
            seen += [json.dumps(one) for one in (trunk, hook, rotated, key, over)]
            seen.append(json.dumps(told.data))
    for path in (
        "/v1/trunks", "/v1/webhooks", "/v1/api-keys", "/v1/audit", "/v1/events",
        f"/v1/calls/{call['id']}/events", f"/v1/webhooks/{hook['id']}/deliveries", "/v1/models",
    ):  # fmt: skip
        seen.append(json.dumps(server.client.get(path)))
    return {"old": old, "new": new, "key": text}, "\n".join(seen)


def test_no_secret_is_in_anything_that_a_run_leaves_behind(tmp_path: Path) -> None:
    with serve(
        tmp_path,
        STROWGER_LOG_LEVEL="debug",
        STROWGER_OPENAI_API_KEY=OPENAI,
        STROWGER_TRUNK=f"sip:configured:{CONFIGURED}@{HOST}:5999",
    ) as server:
        made, answers = asyncio.run(live(server, tmp_path))
        answers += said_of_mistakes(server)
        key_file = server.data / "secret.keys"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        keys = [line.partition(":")[2] for line in key_file.read_text().splitlines()[1:]]
        before = asyncio.run(dump(server.data))
        rotated = run("secrets", "rotate", "--data", str(server.data), cwd=tmp_path)
        assert rotated.returncode == 0, rotated.stderr
        after = asyncio.run(dump(server.data))
        # The running server reads what was sealed anew.
        checked = server.client.get("/v1/trunks")["data"]
        assert {trunk["has_password"] for trunk in checked} == {True}
        log = server.log.read_text()
    secrets = {
        "trunk password": TRUNK_PASSWORD,
        "configured password": CONFIGURED,
        "provider key": OPENAI,
        "refused password": REFUSED,
        "operator's API key": server.key,
        **made,
        **{f"key {index}": key for index, key in enumerate(filter(None, keys))},
    }
    left = {
        "the log": log + server.log.read_text(),
        "the answers": answers,
        "the database": before + after,
        "the command line": rotated.stdout + rotated.stderr,
        "the folder": contents(tmp_path, besides={key_file}),
    }
    assert "call.completed" in left["the database"]
    assert "request" in left["the log"]
    for place, content in left.items():
        for name, secret in secrets.items():
            spellings = [secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()]
            for spelling in spellings:
                assert spelling not in content, f"the {name} is in {place}"


def contents(folder: Path, *, besides: set[Path]) -> str:
    """Every file below, the database's own among them, as far as they can be read."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path not in besides and not path.is_symlink():
            with suppress(FileNotFoundError):
                found.append(path.read_bytes().decode("latin-1"))
    return os.linesep.join(found)
