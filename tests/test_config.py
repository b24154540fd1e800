"""Settings and where they come from."""

import ipaddress
from pathlib import Path

import pytest

from strowger.config import (
    SETTINGS,
    Endpoint,
    PortRange,
    Settings,
    TrunkAddress,
    find_file,
    help_of,
    load_settings,
    option_of,
    parse_trunk,
    reference,
    variable_of,
)
from strowger.errors import ConfigurationError
from strowger.process import decode_settings, encode_settings

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "strowger.toml"
    file.write_text(text)
    return file


def test_without_anything_the_defaults_hold() -> None:
    settings = load_settings({}, environ={}, file=None)
    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.sip == Endpoint("127.0.0.1", 5060)
    assert settings.recordings == Path("strowger-data/recordings")


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, 'host = "10.0.0.1"\nport = 1001\nworkers = 3\n')
    environ = {"STROWGER_PORT": "1002", "STROWGER_HOST": "10.0.0.2", "PATH": "/bin"}
    overrides = {"host": "10.0.0.3", "port": None}
    settings = load_settings(overrides, environ=environ, file=file)
    assert (settings.host, settings.port, settings.workers) == ("10.0.0.3", 1002, 3)


def test_every_setting_is_read_from_each_source(tmp_path: Path) -> None:
    texts = {
        "host": "0.0.0.0",
        "port": "0",
        "data": "/tmp/else",
        "database_url": "postgresql://me:word@db:5432/strowger",
        "secret_keys": "key1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "workers": "2",
        "worker_niceness": "-5",
        "lines": "7",
        "sip": "[::1]:5080",
        "public_address": "203.0.113.7",
        "rtp_ports": "20000-20999",
        "trunk": "sip:me:p%40ss@sip.example.com:5070;transport=udp",
        "rate_limit": "120",
        "max_calls": "30",
        "allow_countries": "us, MX,001",
        "allow_sip_uris": "yes",
        "allow_networks": "10.0.0.0/8,fd00::/8",
        "public_url": "https://calls.example.com/",
        "dialect_hosts": "API.vendor.example=vendor, other.example=other",
        "openai_base_url": "http://127.0.0.1:8000/v1/",
        "turn_model": "/models/smart-turn.onnx",
        "openai_api_key": "sk-1",
        "openai_model": "m",
        "openai_speech_model": "s",
        "openai_voice": "v",
        "openai_transcription_model": "t",
        "openai_realtime_model": "r",
        "openai_speech_to_speech_model": "s2s",
        "openai_speech_to_speech_voice": "cedar",
        "anthropic_api_key": "a-1",
        "anthropic_base_url": "http://127.0.0.1:8001/v1",
        "anthropic_model": "claude",
        "google_api_key": "g-1",
        "google_base_url": "http://127.0.0.1:8002",
        "google_model": "gemini",
        "deepgram_api_key": "d-1",
        "deepgram_base_url": "http://127.0.0.1:8003",
        "deepgram_model": "nova",
        "deepgram_voice": "thalia",
        "assemblyai_api_key": "aa-1",
        "assemblyai_base_url": "http://127.0.0.1:8004",
        "assemblyai_model": "u",
        "soniox_api_key": "so-1",
        "soniox_base_url": "http://127.0.0.1:8005",
        "soniox_model": "rt",
        "elevenlabs_api_key": "e-1",
        "elevenlabs_base_url": "http://127.0.0.1:8006",
        "elevenlabs_voice": "nora",
        "elevenlabs_model": "flash",
        "cartesia_api_key": "c-1",
        "cartesia_base_url": "http://127.0.0.1:8007",
        "cartesia_voice": "nora",
        "cartesia_model": "sonic",
        "whisper_model": "/models/whisper",
        "piper_voices": "/models/piper",
        "kokoro_model": "/models/kokoro.onnx",
        "kokoro_voices": "/models/voices.bin",
        "stop_timeout": "2.5",
        "metrics": "127.0.0.1:9464",
        "log_level": "DEBUG",
        "log_format": "json",
        "server": "https://calls.example.com",
        "api_key": "strowger_live_x",
    }
    assert set(texts) == set(SETTINGS)
    from_environment = load_settings(
        {}, environ={variable_of(name): text for name, text in texts.items()}, file=None
    )
    from_command_line = load_settings(texts, environ={}, file=None)
    lines = "".join(f"{name} = {text!r}\n" for name, text in texts.items())
    from_file = load_settings({}, environ={}, file=written(tmp_path, lines))
    assert from_environment == from_command_line == from_file
    for name in SETTINGS:
        assert getattr(from_file, name) != SETTINGS[name].default, name
    assert from_file.rtp_ports == PortRange(20_000, 20_999)
    assert from_file.sip == Endpoint("::1", 5080)
    assert str(from_file.sip) == "[::1]:5080"
    assert from_file.allow_countries == ("US", "MX", "001")
    assert ipaddress.ip_network("fd00::/8") in from_file.allow_networks
    assert from_file.openai_base_url == "http://127.0.0.1:8000/v1"


def test_the_file_may_use_toml_types(tmp_path: Path) -> None:
    text = 'port = 9000\nallow_sip_uris = true\nallow_countries = ["US"]\nstop_timeout = 5\n'
    settings = load_settings({}, environ={}, file=written(tmp_path, text))
    assert (settings.port, settings.allow_sip_uris) == (9000, True)
    assert (settings.allow_countries, settings.stop_timeout) == (("US",), 5.0)


def test_code_may_give_values_as_they_are() -> None:
    given = {
        "data": Path("/tmp/x"),
        "sip": Endpoint("127.0.0.1", 0),
        "port": 0,
        "allow_sip_uris": True,
        "trunk": TrunkAddress(host="127.0.0.1", port=5070),
        "allow_networks": (ipaddress.ip_network("127.0.0.0/8"),),
        "allow_countries": ("US",),
    }
    settings = load_settings(given, environ={}, file=None)
    assert {name: getattr(settings, name) for name in given} == given


def test_an_empty_variable_counts_as_none() -> None:
    assert load_settings({}, environ={"STROWGER_PORT": ""}, file=None).port == 8080


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("port", "abc", "whole number"),
        ("port", "-1", "whole number"),
        ("port", "65536", "0 to 65535"),
        ("port", "1e3", "whole number"),
        ("port", "\u0661", "whole number"),
        ("host", "not a host", "host name"),
        ("workers", "1000", "0 to 256"),
        ("lines", "0", "1 to 10000"),
        ("sip", "5060", "address:port"),
        ("sip", "127.0.0.1:99999", "address:port"),
        ("public_address", "example.com", "IP address"),
        ("rtp_ports", "20000", "first-last"),
        ("rtp_ports", "20999-20000", "first-last"),
        ("rtp_ports", "80-90", "first-last"),
        ("trunk", "sip.example.com", "sip:user:password@host"),
        ("allow_countries", "USA", "two-letter"),
        ("allow_sip_uris", "perhaps", "true or false"),
        ("allow_networks", "10.0.0.1/8", "10.0.0.0/8"),
        ("database_url", "mysql://a/b", "postgresql://"),
        ("openai_base_url", "api.openai.com", "http://"),
        ("openai_base_url", "http://[::1", "http://"),
        ("stop_timeout", "soon", "seconds"),
        ("stop_timeout", "nan", "seconds"),
        ("log_level", "loud", "debug or info"),
    ],
)
def test_what_cannot_be_read_names_its_source_in_one_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = written(tmp_path, f'{name} = "{text}"\n')
    for overrides, environ, path, source in (
        ({name: text}, {}, None, option_of(name)),
        ({}, {variable_of(name): text}, None, variable_of(name)),
        ({}, {}, file, f"{file}: {name}"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            load_settings(overrides, environ=environ, file=path)
        message = str(raised.value)
        assert message.startswith(f"{source}: ")
        assert said in message
        assert "\n" not in message


def test_booleans_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="whole number"):
        load_settings({}, environ={}, file=written(tmp_path, "port = true\n"))


def test_a_key_that_does_not_exist_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no setting prot; did you mean port"):
        load_settings({}, environ={}, file=written(tmp_path, "prot = 1\n"))
    with pytest.raises(ConfigurationError, match=r"no setting zzzzzz$"):
        load_settings({"zzzzzz": 1}, environ={}, file=None)


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    cases = {
        "there is no such file": tmp_path / "missing.toml",
        "cannot be read": tmp_path,
        "not TOML": written(tmp_path, "port = \n"),
    }
    for said, path in cases.items():
        with pytest.raises(ConfigurationError, match=said) as raised:
            load_settings({}, environ={}, file=path)
        assert str(path) in str(raised.value)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings({}, environ={}, file=binary)


def test_too_few_ports_for_the_lines_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="need 400 ports"):
        load_settings(
            {"rtp_ports": "20000-20100", "lines": 100, "workers": 2}, environ={}, file=None
        )


def test_secrets_are_not_in_what_is_printed() -> None:
    overrides = {
        "trunk": "sip:me:swordfish@sip.example.com",
        "database_url": "postgresql://me:swordfish@db/x",
        "openai_api_key": "swordfish",
        "api_key": "swordfish",
    }
    settings = load_settings(overrides, environ={}, file=None)
    assert "swordfish" not in repr(settings)
    assert "swordfish" not in repr(settings.trunk)
    for name in ("trunk", "database_url"):
        with pytest.raises(ConfigurationError) as raised:
            load_settings({name: "swordfish@sip:postgres"}, environ={}, file=None)
        assert "swordfish" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:h", TrunkAddress(host="h")),
        ("sip:10.0.0.1:5080", TrunkAddress(host="10.0.0.1", port=5080)),
        ("sip:[::1]:5080", TrunkAddress(host="::1", port=5080)),
        ("sip:me@h", TrunkAddress(host="h", username="me")),
        (
            "sip:me:a:b%40c@sip.example.com:5070;transport=UDP",
            TrunkAddress(host="sip.example.com", port=5070, username="me", password="a:b@c"),
        ),
    ],
)
def test_a_trunk_is_one_line(text: str, expected: TrunkAddress) -> None:
    trunk = parse_trunk(text)
    assert trunk == expected
    assert trunk.password == expected.password


@pytest.mark.parametrize(
    "text",
    ["", "sip:", "sip:@h", "sips:h", "sip:h:0", "sip:h:70000", "sip:h;transport=tcp", "sip:h;x=y",
     "sip:a b@h", "sip:h\n", "sip:me:secret@ho st"],
)  # fmt: skip
def test_what_is_no_trunk_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(ValueError, match="expected") as raised:
        parse_trunk(text)
    assert "secret" not in str(raised.value)


def test_the_file_is_the_one_given_or_named_or_here(tmp_path: Path) -> None:
    given = Path("given.toml")
    environ = {"STROWGER_CONFIG": "named.toml"}
    assert find_file(given, environ=environ, folder=tmp_path) == given
    assert find_file(None, environ=environ, folder=tmp_path) == Path("named.toml")
    assert find_file(None, environ={}, folder=tmp_path) is None
    here = written(tmp_path, "")
    assert find_file(None, environ={}, folder=tmp_path) == here


def test_each_setting_is_explained_in_a_sentence() -> None:
    for name in SETTINGS:
        assert help_of(name).endswith("."), name
        assert "\n" not in help_of(name)


def test_the_reference_is_current() -> None:
    text = reference()
    assert REFERENCE.read_text() == text, (
        "run: python -m strowger.config > docs/reference/configuration.md"
    )
    for name in SETTINGS:
        assert f"`{variable_of(name)}`" in text


def test_settings_reach_a_child_as_they_are() -> None:
    settings = load_settings(
        {
            "dialect_hosts": "api.vendor.example=vendor,b.example=other",
            "allow_networks": "10.0.0.0/8",
            "trunk": "sip:u:p%40ss@host:5061",
            "rtp_ports": "20000-21999",
        },
        environ={},
        file=None,
    )
    assert settings.dialect_hosts == (("api.vendor.example", "vendor"), ("b.example", "other"))
    assert decode_settings(encode_settings(settings).rstrip(b"\n")) == settings
