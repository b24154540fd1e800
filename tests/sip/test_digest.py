import hashlib
import itertools

import pytest

from strowger.sip.digest import (
    MAX_ROUNDS,
    Authenticator,
    Challenge,
    Credentials,
    Rounds,
    digest_response,
)
from strowger.sip.message import Headers, Request, Response

MUFASA = Credentials(username="Mufasa", password="Circle Of Life")
RFC_2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int",'
    ' nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={},'
    ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
    ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
RFC_7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def challenge(text: str) -> Challenge:
    parsed = Challenge.parse(text)
    assert parsed is not None
    return parsed


def response(credentials: Credentials, text: str, cnonce: str) -> str:
    return digest_response(
        challenge(text), credentials, method="GET", uri="/dir/index.html", cnonce=cnonce, count=1
    )


def test_the_vector_of_rfc_2617() -> None:
    assert response(MUFASA, RFC_2617, "0a4f113b") == "6629fae49393a05397450978507c4ef1"


def test_the_vectors_of_rfc_7616() -> None:
    mufasa = Credentials(username="Mufasa", password="Circle of Life")
    assert (
        response(mufasa, RFC_7616.format("MD5"), RFC_7616_CNONCE)
        == "8ca523f5e9506fed4657c9700eebdbec"
    )
    assert (
        response(mufasa, RFC_7616.format("SHA-256"), RFC_7616_CNONCE)
        == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    )


def test_without_qop_the_older_formula_is_used() -> None:
    secret = md5("Mufasa:r:Circle Of Life")
    subject = md5("GET:/dir/index.html")
    answer = response(MUFASA, 'Digest realm="r", nonce="n"', "c")
    assert answer == md5(f"{secret}:n:{subject}")


def test_session_algorithms_mix_the_nonces_into_the_secret() -> None:
    text = 'Digest realm="r", nonce="n", algorithm=SHA-256-sess, qop="auth-int"'
    secret = sha(f"{sha('Mufasa:r:Circle Of Life')}:n:c")
    subject = sha(f"GET:/dir/index.html:{sha('')}")
    assert response(MUFASA, text, "c") == sha(f"{secret}:n:00000001:c:auth-int:{subject}")


@pytest.mark.parametrize(
    "text",
    [
        "Basic realm=x",
        "Digest",
        'Digest realm="r"',
        'Digest nonce="n", algorithm=SHA-512-256',
        'Digest nonce="n", qop="unheard-of"',
        "NoOneKnowsThisScheme opaque-data=here",
    ],
)
def test_a_challenge_that_we_cannot_answer_is_none(text: str) -> None:
    assert Challenge.parse(text) is None


def test_a_challenge_is_read_whatever_its_case_and_order() -> None:
    read = challenge('DIGEST STALE=TRUE,Nonce="a\\"b" , qop=auth,REALM="x, y",algorithm=md5-Sess')
    assert read == Challenge(
        realm="x, y",
        nonce='a"b',
        algorithm="md5-Sess",
        names_algorithm=True,
        qop="auth",
        stale=True,
    )


def authenticator(credentials: Credentials | None = MUFASA) -> Authenticator:
    count = itertools.count(1)
    return Authenticator(credentials, lambda: f"cnonce{next(count)}")


def refusal(*challenges: str, status: int = 401) -> Response:
    name = "www-authenticate" if status == 401 else "proxy-authenticate"
    headers = Headers((name, text) for text in challenges)
    return Response(status=status, reason="", headers=headers)


def bye() -> Request:
    return Request(method="BYE", uri="sip:a@h", headers=Headers())


def test_the_strongest_challenge_of_each_realm_is_answered() -> None:
    known = authenticator()
    answer = refusal(
        'Digest realm="a", nonce="1"',
        'Digest realm="a", nonce="2", algorithm=SHA-256',
        'Digest realm="a", nonce="3", algorithm=MD5',
        'Digest realm="b", nonce="4"',
        status=407,
    )
    assert known.learn(answer, Rounds())
    request = bye()
    known.authorise(request)
    values = request.headers.all("proxy-authorization")
    assert len(values) == 2
    assert 'nonce="2"' in values[0] and "algorithm=SHA-256" in values[0]
    assert 'nonce="4"' in values[1] and "algorithm" not in values[1]
    assert all('username="Mufasa"' in value and 'uri="sip:a@h"' in value for value in values)


def test_each_use_of_a_nonce_counts() -> None:
    known = authenticator()
    known.learn(refusal('Digest realm="a", nonce="1", qop="auth", opaque="o"'), Rounds())
    counts = []
    for _ in range(3):
        request = bye()
        known.authorise(request)
        value = request.headers.get("authorization") or ""
        assert 'opaque="o"' in value and "qop=auth," in value
        counts.append(value.partition("nc=")[2])
    assert counts == ["00000001", "00000002", "00000003"]


def test_a_refused_answer_means_a_wrong_password_unless_it_was_stale() -> None:
    known, rounds = authenticator(), Rounds()
    assert known.learn(refusal('Digest realm="a", nonce="1"'), rounds)
    assert known.learn(refusal('Digest realm="a", nonce="2", stale=true'), rounds)
    assert known.learn(refusal('Digest realm="a", nonce="2"', status=407), rounds)
    assert not known.learn(refusal('Digest realm="a", nonce="3"'), rounds)
    assert known.learn(refusal('Digest realm="a", nonce="4"'), Rounds())


def test_endless_staleness_is_left() -> None:
    known, rounds = authenticator(), Rounds()
    stale = refusal('Digest realm="a", nonce="1", stale=true')
    tries = list(itertools.takewhile(bool, (known.learn(stale, rounds) for _ in range(99))))
    assert len(tries) == MAX_ROUNDS


def test_a_session_algorithm_without_qop_still_tells_the_cnonce() -> None:
    known = authenticator()
    answer = refusal("Basic realm=x", 'Digest realm="a", nonce="1", algorithm=MD5-sess')
    assert known.learn(answer, Rounds())
    request = bye()
    known.authorise(request)
    assert 'cnonce="cnonce1"' in (request.headers.get("authorization") or "")


def test_without_credentials_nothing_is_answered() -> None:
    known = authenticator(None)
    assert not known.learn(refusal('Digest realm="a", nonce="1"'), Rounds())
    request = bye()
    known.authorise(request)
    assert list(request.headers) == []


def test_other_refusals_are_no_challenges() -> None:
    assert not authenticator().learn(refusal('Digest realm="a", nonce="1"', status=403), Rounds())
    assert not authenticator().learn(refusal(), Rounds())


def test_the_password_is_not_printed() -> None:
    assert "Circle" not in repr(MUFASA)
