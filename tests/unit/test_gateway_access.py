"""Who the gateway lets in, how often, and what a role may do."""

import base64
import hashlib
import hmac
import json
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from gateway_parts import SECRET, Bench, FakeReading, QuietFeed, bearer, gateway, made_keys, token
from pydantic import SecretStr
from structlog.testing import capture_logs

from agents.cases.deciding import MAY, Circumstances, refusal
from agents.cases.state import CaseState
from schemas.cases import CaseCommand
from streams.errors import UnavailableError, UsageError
from streams.gateway.app import skeleton
from streams.gateway.keys import Keys, digest_of
from streams.gateway.limits import RateLimit
from streams.gateway.problems import ProblemError
from streams.gateway.readiness import Readiness
from streams.gateway.rights import ACTIONS, JUDGES, SEES
from streams.gateway.tokens import Tokens, ensure_secret, mint, secret_of, tokens_of
from streams.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "gateway.md"
CASE = "0" * 32


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with gateway(FakeReading(lambda _statement, _values: [])) as made:
        yield made


def unsigned(**claims: Any) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, {"sub": "ann", "role": "compliance", "exp": time.time() + 60, **claims}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    """Private and public key of an identity provider."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def wrong_tokens() -> dict[str, tuple[str, str]]:
    """Tokens that are wrong in one thing, made when they are used, and what is said of each."""
    return {
        "expired": (token("auditor", exp=time.time() - 60), "the token has expired"),
        "not yet": (token("auditor", nbf=time.time() + 600), "ImmatureSignature"),
        "no end": (token("auditor", exp=None), "MissingRequiredClaim"),
        "an end beyond all numbers": (token("auditor", exp=10**400), "exp"),
        "other audience": (token("auditor", aud="shop"), "InvalidAudience"),
        "other issuer": (token("auditor", iss="shop"), "InvalidIssuer"),
        "other secret": (token("auditor", secret="x" * 40), "InvalidSignature"),
        "other algorithm": (token("auditor", secret=SECRET * 2, algorithm="HS512"), "signed with HS256"),
        "alg none": (unsigned(), "signed with HS256"),
        "no token": ("abc", "Decode"),
        "dots": ("a.b.c", "Decode"),
        "no role": (token(None), "role: Field required"),
        "unknown role": (token("king"), "role: Input should be"),
        "manager of nothing": (token("manager"), "needs the claim node"),
        "rep without id": (token("rep"), "needs the claim rep_id"),
        "subject with control characters": (token("auditor", sub="a\nb"), "sub: String should match"),
    }


@pytest.mark.parametrize("name", list(wrong_tokens()))
def test_a_token_that_does_not_hold(bench: Bench, name: str) -> None:
    wrong, said = wrong_tokens()[name]

    answer = bench.client.get("/v1/me", headers={"Authorization": f"Bearer {wrong}"})

    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert said in answer.json()["detail"]
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert wrong not in answer.text or wrong == "abc"


def test_a_public_key_cannot_be_used_as_a_secret(pair: tuple[str, str]) -> None:
    private, public = pair
    tokens = Tokens({"RS256": public, "HS256": SECRET}, "sfe-pulse", "sfe-pulse")
    confused = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256"}, {"sub": "ann", "role": "compliance", "exp": time.time() + 60})
    ]
    mac = hmac.new(public.encode(), ".".join(confused).encode(), hashlib.sha256).digest()
    forged = ".".join([*confused, base64.urlsafe_b64encode(mac).decode().rstrip("=")])

    assert tokens.read(token("auditor", secret=private, algorithm="RS256")).role == "auditor"
    assert tokens.read(token("auditor")).subject == "ann"
    with pytest.raises(ProblemError, match="InvalidSignature"):
        tokens.read(forged)
    with pytest.raises(ProblemError, match="signed with RS256"):
        Tokens({"RS256": public}, "sfe-pulse", "sfe-pulse").read(token("auditor"))


@pytest.mark.parametrize("change", ["", "x", "_"])
def test_a_key_that_is_not_in_use(bench: Bench, change: str) -> None:
    key = bench.keys["crm"]
    wrong = {"": "", "x": key[:-1] + ("A" if key[-1] != "A" else "B"), "_": "pulse_" + "0" * 16 + key[22:]}[change]

    answer = bench.client.post("/v1/events/visit", content=b"{}", headers={"X-API-Key": wrong})

    assert answer.status_code == 401
    assert key not in answer.text


def test_nothing_but_health_and_the_document_is_open(bench: Bench) -> None:
    paths = skeleton().openapi()["paths"]
    assert len(paths) == 30
    for path, operations in paths.items():
        for method in operations:
            status = bench.client.request(
                method, path.replace("{case_id}", CASE).replace("{alert_id}", CASE)
            ).status_code
            assert status == (200 if path in {"/healthz", "/readyz"} else 401), path
    assert bench.client.get("/openapi.json").status_code == 200
    assert [bench.client.get(path).status_code for path in ("/docs", "/redoc", "/", "/v1")] == [404] * 4


def test_a_token_and_a_key_together_are_refused(bench: Bench) -> None:
    assert bench.client.get("/v1/me", headers={**bearer("auditor"), **bench.key()}).status_code == 401


def test_me(bench: Bench) -> None:
    person = bench.client.get("/v1/me", headers=bearer("manager", node="east", name="安")).json()
    system = bench.client.get("/v1/me", headers=bench.key()).json()

    assert (person["id"], person["role"], person["node"], person["name"]) == ("ann", "manager", "east", "安")
    assert (person["sees"]["alerts"], person["may"]) == ("tree", ["acknowledge", "note"])
    assert (system["kind"], system["source"], len(system["event_kinds"])) == ("system", "crm", 6)


def test_systems_send_and_people_read(bench: Bench) -> None:
    assert bench.client.get("/v1/alerts", headers=bench.key()).status_code == 403
    assert bench.client.post("/v1/events/visit", json={}, headers=bearer("compliance")).status_code == 403


@pytest.mark.parametrize("role", list(SEES))
@pytest.mark.parametrize("area", ["alerts", "cases", "lights", "rules"])
def test_who_sees_what(bench: Bench, role: str, area: str) -> None:
    answer = bench.client.get(f"/v1/{area}", headers=bearer(role, node="east", rep_id="R-1"))

    assert answer.status_code == (403 if SEES[role][area] == "none" else 200)  # type: ignore[index]


@pytest.mark.parametrize("role", list(MAY))
def test_who_may_do_what(bench: Bench, role: str) -> None:
    done = {
        action
        for action in ACTIONS
        if bench.client.post(
            f"/v1/cases/{CASE}/{action}", json={}, headers=bearer(role, node="n", rep_id="R-1")
        ).status_code
        != 403
    }

    assert done == MAY[role]  # type: ignore[index]


def test_who_may_not_hears_what_may_be_done(bench: Bench) -> None:
    told = [
        bench.client.post(f"/v1/cases/{CASE}/need_more", json={}, headers=bearer(role)).json()["detail"]
        for role in ("operations", "auditor")
    ]

    assert told == [
        "the role operations may not do need_more with a case; it may do: acknowledge, assign, link, note",
        "the role auditor may not do need_more with a case; it may do: nothing",
    ]


def test_a_representative_is_known_to_the_desk_by_rep_id_whatever_the_subject() -> None:
    with gateway(FakeReading(lambda _statement, _values: [{"one": 1}])) as made:
        headers = bearer("rep", sub="u-4711", rep_id="R-1")
        answer = made.client.post(f"/v1/cases/{CASE}/note", json={"remark": "seen"}, headers=headers)
        command = CaseCommand.model_validate_json(made.producer.sent[-1][2])
    around = Circumstances(command.at, timedelta(), lambda _case: True)

    assert answer.status_code == 202
    assert refusal(CaseState(CASE, "R01", "R-1", "open"), command, around) is None
    assert refusal(CaseState(CASE, "R01", "R-2", "open"), command, around) is not None


def test_the_document_shows_the_same_tables() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    for role, sees in SEES.items():
        figures = ", figures" if role in JUDGES else ""
        row = f"| {role} | {sees['alerts']} | {sees['cases']} | {sees['lights']} | {sees['rules']}{figures} |"
        assert row in text
        allowed = "everything" if len(MAY[role]) == len(ACTIONS) else ", ".join(a for a in ACTIONS if a in MAY[role])
        assert f"| {role} | {allowed or 'nothing'} |" in text


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    now_s = 100.0
    limit = RateLimit(2.0, 3.0, lambda: now_s)

    assert [limit.wait_s("a") for _ in range(8)] == [0, 0, 0, 0, 0, 0, 1, 1]
    assert limit.wait_s("b") == 0
    now_s = 101.0
    assert [limit.wait_s("a") for _ in range(3)] == [0, 0, 1]
    limit.charge("a", 19)
    assert limit.wait_s("a") == 10  # 20 are missing at 2 a second


def test_too_many_requests_wait(bench: Bench) -> None:
    with gateway(per_s=1.0) as slow:
        codes = [slow.client.get("/v1/me", headers=slow.key()) for _ in range(2)]
        nobody = [slow.client.get("/v1/me").status_code for _ in range(2)]

    assert [answer.status_code for answer in codes] == [200, 429]
    assert (codes[1].headers["retry-after"], "wait 1 s" in codes[1].json()["detail"]) == ("1", True)
    assert nobody == [401, 429]


def test_keys_hold_while_clickhouse_is_away_and_end_when_revoked() -> None:
    now_s = 0.0
    (named, kept) = made_keys(crm=(("visit",), "crm"))
    answers: list[Any] = [kept, UnavailableError("away"), []]

    def read() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    keys = Keys(read, lambda: now_s)
    assert keys.find(named["crm"]).source == "crm"
    now_s = 6.0
    assert keys.find(named["crm"]).name == "crm"
    now_s = 12.0
    with pytest.raises(ProblemError, match="not in use"):
        keys.find(named["crm"])
    assert answers == []


def test_a_gateway_that_never_read_the_keys_says_so() -> None:
    def away() -> Any:
        msg = "ClickHouse does not answer"
        raise UnavailableError(msg)

    with pytest.raises(UnavailableError):
        Keys(away).find("pulse_" + "0" * 16 + "_" + "A" * 43)


def test_of_a_key_only_the_hash_is_kept() -> None:
    named, (kept,) = made_keys(crm=(("visit",), "crm"))

    assert named["crm"] not in repr(kept)
    assert kept.key_hash == digest_of(named["crm"])
    assert len(named["crm"].rpartition("_")[2]) >= 1
    assert len(set(made_keys(a=((), ""), b=((), ""))[0].values())) == 2


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, _env_file=None)
    assert secret_of(settings) is None

    made = ensure_secret(settings)

    assert ensure_secret(settings) == secret_of(settings) == made
    assert len(made) == 64
    assert stat.S_IMODE((tmp_path / "jwt-secret").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "set PULSE_JWT_SECRET"),
        ({"jwt_secret": SecretStr("short")}, "shorter than 32 bytes"),
        ({"jwt_public_key": "nowhere.pem"}, "holds no RSA public key"),
        ({"jwt_public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}, "holds no RSA public key"),
    ],
)
def test_a_gateway_without_usable_keys_does_not_start(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tokens_of(Settings(data=tmp_path, _env_file=None, **changed))


def test_a_public_key_may_be_a_file(tmp_path: Path, pair: tuple[str, str]) -> None:
    (tmp_path / "key.pem").write_text(pair[1])
    tokens = tokens_of(Settings(data=tmp_path, jwt_public_key=str(tmp_path / "key.pem"), _env_file=None))

    assert tokens.read(token("finance", secret=pair[0], algorithm="RS256")).role == "finance"


def test_minted_tokens_hold_as_long_as_said(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, _env_file=None)
    secret = ensure_secret(settings)
    made = mint(settings, secret, {"sub": "li", "role": "manager", "node": "东区"}, 2)

    person = tokens_of(settings).read(made)

    assert (person.subject, person.role, person.node) == ("li", "manager", "东区")
    assert abs(person.expires_s - time.time() - 7_200) < 10
    with pytest.raises(UsageError, match="needs the claim node"):
        mint(settings, secret, {"sub": "li", "role": "manager"}, 2)
    assert jwt.decode(made, options={"verify_signature": False})["aud"] == "sfe-pulse"


def test_readiness_says_which_and_is_asked_seldom(bench: Bench) -> None:
    now_s, calls = 0.0, []

    def check() -> None:
        calls.append(now_s)
        if now_s > 1:
            raise OSError

    readiness = Readiness({"broker": check, "clickhouse": lambda: None}, 2.0, lambda: now_s)
    assert [readiness.look() for _ in range(3)] == [{"broker": True, "clickhouse": True}] * 3
    now_s = 2.0
    assert readiness.look() == {"broker": False, "clickhouse": True}
    assert calls == [0.0, 2.0]
    with gateway(FakeReading()) as away:
        answer = away.client.get("/readyz")
    assert (answer.status_code, answer.json()["clickhouse"]) == (503, False)
    assert QuietFeed


def test_a_fault_of_ours_shows_no_traceback() -> None:
    def break_down(_statement: str, _values: object) -> Any:
        msg = "a secret of the inside"
        raise ZeroDivisionError(msg)

    with capture_logs() as logs, gateway(FakeReading(break_down)) as broken:
        answer = broken.client.get("/v1/alerts", headers=bearer("auditor"))
    with gateway(FakeReading()) as away:
        waits = away.client.get("/v1/alerts", headers=bearer("auditor"))

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "secret of the inside" not in answer.text
    assert [entry["request_id"] for entry in logs] == [answer.json()["request_id"]]
    assert (waits.status_code, waits.headers["retry-after"]) == (503, "5")


def test_every_answer_is_guarded(bench: Bench) -> None:
    for path in ("/healthz", "/v1/me", "/nowhere", "/openapi.json"):
        headers = bench.client.get(path).headers
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert "access-control-allow-origin" not in headers
    wrong = bench.client.post("/healthz")
    assert (wrong.status_code, wrong.headers["allow"], wrong.headers["content-type"]) == (
        405,
        "GET",
        "application/problem+json",
    )


def test_a_request_that_takes_too_long_ends() -> None:
    with gateway(FakeReading(lambda _statement, _values: time.sleep(0.5) or []), timeout_s=0.1) as slow:
        answer = slow.client.get("/v1/alerts", headers=bearer("auditor"))

    assert (answer.status_code, "took longer than" in answer.json()["detail"]) == (503, True)
