import base64
import hashlib
import hmac
import time

import pytest

from strowger.errors import InvalidRequest
from strowger.signing_secrets import new_secret
from strowger.webhooks.signing import signed_headers, verify


def test_the_signature_is_the_one_of_the_specification() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = signed_headers(
        secret, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330.9, body=body
    )
    # The example of the Standard Webhooks specification.
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_body_with_any_letters_is_signed_as_its_bytes() -> None:
    secret, body = new_secret(), "ñ 😀".encode()
    headers = signed_headers(secret, message_id="event_1", at=5.0, body=body)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, b"event_1.5." + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_during_a_rotation_both_secrets_sign_and_each_is_enough() -> None:
    new, old, body = new_secret(), new_secret(), b'{"a":1}'
    headers = signed_headers(new, old, message_id="event_1", at=time.time(), body=body)
    assert len(headers["webhook-signature"].split(" ")) == 2
    verify(new, headers, body)
    verify(old, headers, body)
    with pytest.raises(InvalidRequest):
        verify(new_secret(), headers, body)


def test_what_was_signed_is_verified_and_nothing_else() -> None:
    secret, body = new_secret(), b'{"a":1}'
    headers = signed_headers(secret, message_id="event_1", at=time.time(), body=body)
    verify(secret, headers, body)
    old = signed_headers(secret, message_id="event_1", at=time.time() - 3600, body=body)
    for wrong_secret, wrong_headers, wrong_body in (
        (new_secret(), headers, body),
        (secret, headers, b'{"a":2}'),
        (secret, old, body),
        (secret, {}, body),
        (secret, headers | {"webhook-signature": "v1,x"}, body),
        (secret, headers | {"webhook-signature": "nonsense"}, body),
    ):
        with pytest.raises(InvalidRequest):
            verify(wrong_secret, wrong_headers, wrong_body)


def test_secrets_are_long_and_never_twice_the_same() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)
