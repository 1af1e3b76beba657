"""The text of policies/delivery.yaml: every mistake is told with its place."""

from pathlib import Path

import pytest
from commands import pulse_here

from schemas.delivery import DeliveryPolicy
from streams.delivery.channels import Channels
from streams.delivery.policy import BUILT_IN, check, text_in
from streams.policies import PolicyError

SHIPPED = Path(__file__).parents[2] / "policies"
RIGHT = """\
channels:
  wecom: { kind: apprise, url_env: PULSE_CHANNEL_WECOM }
recipients:
  desk:
    title: { zh: 值班, en: Desk }
    roles: [compliance]
    channels: [wecom]
    quiet: { begin: 21:00, end: "08:00" }
routes:
  - to: [desk]
    digest: ["09:00"]
escalation:
  levels:
    - { after: 30 minutes, to: [desk] }
    - { after: 1 hour, to_roles: [compliance] }
"""


def test_the_text_is_right_as_it_stands() -> None:
    policy = check(RIGHT, "d.yaml")

    assert policy.recipients["desk"].quiet is not None
    assert f"{policy.recipients['desk'].quiet.begin:%H:%M}" == "21:00"  # YAML reads it as a number of base 60


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "channels: [wecom]",
            "channels: [wecome]",
            "d.yaml:7:16: recipients.desk.channels.0: there is no channel wecome",
        ),
        ("- to: [desk]", "- to: [desc]", "d.yaml:10:10: routes.0.to.0: there is no recipient desc: there is desk"),
        (
            "to_roles: [compliance]",
            "to_roles: [auditor]",
            "d.yaml:15:35: escalation.levels.1.to_roles.0: no recipient has the role auditor",
        ),
        (", to: [desk] }", " }", "d.yaml:14:7: escalation.levels.0: leads to nobody"),
        ("to_roles: [compliance]", "to_roles: [boss]", "d.yaml:15:35: escalation.levels.1.to_roles.0: Input should be"),
        ('["09:00"]', '["25:00"]', "d.yaml:11:14: routes.0.digest.0: Input should be in a valid time format"),
        ('["09:00"]', '["09:00+08:00"]', "d.yaml:11:14: routes.0.digest.0: times of day are company time"),
        ('end: "08:00"', 'end: "21:00"', "d.yaml:8:12: recipients.desk.quiet: quiet hours that end when they begin"),
        ("after: 1 hour", "after: 20 minutes", "d.yaml:13:3: escalation: each level comes later"),
        ("after: 1 hour", "after: soon", "d.yaml:15:16: escalation.levels.1.after: 'soon' is no length of time"),
        (", url_env: PULSE_CHANNEL_WECOM", "", "d.yaml:2:10: channels.wecom: kind apprise needs `url_env`"),
        (
            "url_env: PULSE_CHANNEL_WECOM",
            "url_env: wecombot://key",
            "d.yaml:2:36: channels.wecom.url_env: String should",
        ),
        ("kind: apprise", "kind: webhook", "d.yaml:2:10: channels.wecom: kind webhook needs `secret_env`"),
        ("roles: [compliance]", "roles: [compliance, compliance]", "compliance stands twice"),
        ("levels:", "counts: working_time\n  levels:", "`working_hours` goes with `counts: working_time`"),
        ("channels: [wecom]", "channels: []", "d.yaml:7:15: recipients.desk.channels: Value should have at least 1"),
        ("    title:", "    titel:", "d.yaml:5:12: recipients.desk.titel: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, told: str) -> None:
    assert old in RIGHT
    with pytest.raises(PolicyError) as raised:
        check(RIGHT.replace(old, new, 1), "d.yaml")

    assert any(told in str(mistake) for mistake in raised.value.mistakes), raised.value.mistakes


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(PolicyError) as raised:
        check(RIGHT.replace("channels: [wecom]", "channels: [sms]").replace("to: [desk]", "to: [nobody]"), "d.yaml")

    assert len(raised.value.mistakes) == 3


def test_the_shipped_policy_is_right_and_sends_nothing_anywhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the checkout
    done = pulse_here(capsys, "policy", "check", "delivery", "--policies", SHIPPED)

    assert done.code == 0
    assert done.text.splitlines()[0] == f"{SHIPPED / 'delivery.yaml'} is right: 3 recipients"
    assert "channel wecom is not set up: PULSE_CHANNEL_WECOM is not set" in done.text
    policy = check((SHIPPED / "delivery.yaml").read_text(), "d")
    assert set(Channels(policy, tmp_path, {}).of(policy).values()) == {("outbox",)}


def test_the_command_names_the_place_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "delivery.yaml").write_text(RIGHT.replace("to: [desk]", "to: [nobody]"), encoding="utf-8")
    done = pulse_here(capsys, "policy", "check", "delivery", "--policies", tmp_path)

    assert "2 mistakes" in done.complaint(1)
    assert f"{tmp_path / 'delivery.yaml'}:10:10: routes.0.to.0: there is no recipient nobody" in done.text


def test_a_channel_is_set_up_by_its_variables_alone(tmp_path: Path) -> None:
    policy = DeliveryPolicy.model_validate(
        {
            "channels": {
                "wecom": {"kind": "apprise", "url_env": "PULSE_CHANNEL_WECOM"},
                "odd": {"kind": "apprise", "url_env": "PULSE_CHANNEL_ODD"},
                "hook": {"kind": "webhook", "url_env": "PULSE_CHANNEL_H", "secret_env": "PULSE_CHANNEL_K"},
                "ftp": {"kind": "webhook", "url_env": "PULSE_CHANNEL_F", "secret_env": "PULSE_CHANNEL_K"},
                "open": {"kind": "webhook", "url_env": "PULSE_CHANNEL_H", "secret_env": "PULSE_CHANNEL_NONE"},
            },
            "recipients": {
                "desk": {"title": {"zh": "值", "en": "D"}, "channels": ["wecom", "odd", "hook", "ftp", "open"]},
            },
            "routes": [{"to": ["desk"]}],
        }
    )
    given = {"PULSE_CHANNEL_WECOM": "wecombot://0123-abcd", "PULSE_CHANNEL_ODD": "no address"}
    given |= {"PULSE_CHANNEL_H": "https://h.example.com/x", "PULSE_CHANNEL_F": "ftp://f", "PULSE_CHANNEL_K": "k"}
    channels = Channels(policy, tmp_path, given)

    assert channels.of(policy) == {"desk": ("wecom", "hook")}
    assert {name: why.split(":")[0] for name, why in channels.missing.items()} == {
        "odd": "PULSE_CHANNEL_ODD is wrong",
        "ftp": "PULSE_CHANNEL_F is wrong",
        "open": "PULSE_CHANNEL_H is wrong",
    }


def test_without_a_file_everything_goes_to_the_outbox(tmp_path: Path) -> None:
    policy = check(text_in(tmp_path), "built in")

    assert text_in(tmp_path) == BUILT_IN
    assert [one.channels for one in policy.recipients.values()] == [("outbox",)]
    assert text_in(SHIPPED) == (SHIPPED / "delivery.yaml").read_text(encoding="utf-8")
