"""What `docker-compose.yml` and `Dockerfile` promise: pinned, confined, healthy, closed to the outside, no secrets."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from streams import quarantine
from streams.clickhouse import parse_url
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
SERVERS = ("kafka", "redis", "clickhouse", "grafana")
ONCE = ("migrate", "topics", "policies")
#: Our own processes that run on.
OURS = ("worker", "desk", "gateway")
ALL = (*SERVERS, *ONCE, *OURS)
SECRET = re.compile("PASSWORD|SECRET")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:[?+-])?([^}]*)\}")


def resolved(text: str, **values: str) -> str:
    """As compose fills in variables."""

    def filled(match: re.Match[str]) -> str:
        given = values.get(match[1])
        if match[2] == ":+":
            return match[3] if given else ""
        return given or (match[3] if match[2] == ":-" else "")

    return VARIABLE.sub(filled, text)


def test_the_services_are_these() -> None:
    assert set(SERVICES) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in {"", "0", "root"}
    assert service.get("read_only", False) is (name != "kafka")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert not {"privileged", "network_mode", "pid", "cap_add", "devices"} & set(service)


@pytest.mark.parametrize("name", ALL)
def test_a_service_starts_again_when_it_fails(name: str) -> None:
    assert SERVICES[name]["restart"] == ("on-failure:5" if name in ONCE else "unless-stopped")


@pytest.mark.parametrize("name", SERVERS)
def test_images_are_pinned_to_a_release(name: str) -> None:
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+[\w.-]*", SERVICES[name]["image"])


def test_base_images_are_pinned_to_a_release() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.12\.\d+-slim-\w+", base) for base in bases)


@pytest.mark.parametrize("name", ALL)
def test_ports_are_on_loopback_alone(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert bool(ports) is (name in {*SERVERS, "gateway"})
    assert all(resolved(port).startswith("127.0.0.1:") for port in ports)


def test_kafka_advertises_the_port_that_is_published() -> None:
    kafka = SERVICES["kafka"]
    assert resolved(kafka["ports"][0], PULSE_HOST_KAFKA_PORT="7") == "127.0.0.1:7:29092"
    advertised = resolved(kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"], PULSE_HOST_KAFKA_PORT="7")
    assert advertised == "INTERNAL://kafka:9092,HOST://127.0.0.1:7"
    assert kafka["environment"]["KAFKA_NUM_PARTITIONS"] == SERVICES["worker"]["environment"]["PULSE_PARTITIONS"]


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_keeps_its_data_and_says_whether_it_is_well(name: str) -> None:
    assert any(volume.startswith(f"{name}:/") for volume in SERVICES[name]["volumes"])
    assert {"test", "interval", "timeout", "retries", "start_period"} == set(SERVICES[name]["healthcheck"])


def test_who_waits_for_whom() -> None:
    waits = {
        name: {other: rule["condition"] for other, rule in SERVICES[name].get("depends_on", {}).items()} for name in ALL
    }
    well, done = "service_healthy", "service_completed_successfully"
    assert waits == {
        **{name: {} for name in SERVERS if name != "grafana"},
        "grafana": {"migrate": done, "clickhouse": well},
        "migrate": {"clickhouse": well},
        "topics": {"kafka": well},
        "policies": {"migrate": done, "redis": well},
        **{name: {"topics": done, "policies": done, "redis": well} for name in ("worker", "desk")},
        "gateway": {"topics": done, "policies": done, "clickhouse": well},
    }


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


@pytest.mark.parametrize("name", [*ONCE, "worker", "desk"])
def test_settings_exist_and_urls_can_be_read(name: str) -> None:
    found = {
        key: resolved(value, PULSE_CLICKHOUSE_PASSWORD="s3") for key, value in SERVICES[name]["environment"].items()
    }
    assert {key.removeprefix("PULSE_").lower() for key in found} <= set(Settings.model_fields)
    arguments = parse_url(found["PULSE_CLICKHOUSE_URL"])
    assert (arguments["username"], arguments["password"], arguments["database"]) == ("pulse", "s3", "pulse")


def test_the_gateway_has_the_readers_rights_and_tells_people_apart() -> None:
    service = SERVICES["gateway"]
    found = {
        key: resolved(value, PULSE_CLICKHOUSE_READER_PASSWORD="s3") for key, value in service["environment"].items()
    }
    assert {key.removeprefix("PULSE_").lower() for key in found} <= set(Settings.model_fields)
    assert not {"PULSE_CLICKHOUSE_URL", "PULSE_REDIS_URL"} & set(found)
    assert parse_url(found["PULSE_CLICKHOUSE_READER_URL"])["username"] == "reader"
    assert VARIABLE.fullmatch(service["environment"]["PULSE_JWT_SECRET"])
    assert resolved(service["ports"][0], PULSE_HOST_GATEWAY_PORT="7") == "127.0.0.1:7:8124"
    assert {"test", "interval", "timeout", "retries", "start_period"} == set(service["healthcheck"])


def test_secrets_come_from_the_environment_and_are_demanded() -> None:
    assert {match[1] for match in VARIABLE.finditer(TEXT) if SECRET.search(match[1])} == {
        "PULSE_REDIS_PASSWORD",
        "PULSE_CLICKHOUSE_PASSWORD",
        "PULSE_CLICKHOUSE_READER_PASSWORD",
        "PULSE_GRAFANA_PASSWORD",
        "PULSE_JWT_SECRET",
    }
    assert all(match[2] == ":?" and match[3] for match in VARIABLE.finditer(TEXT) if SECRET.search(match[1]))
    values = [
        value for service in SERVICES.values() for key, value in service["environment"].items() if "PASSWORD" in key
    ]
    assert len(values) == 5
    assert all(VARIABLE.fullmatch(value) for value in values)
    assert re.findall(r"://[^/\s$]*:[^@/\s$]+@", TEXT) == []


def test_the_example_lists_every_variable() -> None:
    example = (ROOT / "docker" / "compose.env.example").read_text("utf-8")
    listed = dict(re.findall(r"^#?(PULSE_\w+)=(.*)$", example, re.MULTILINE))
    used = {match[1]: match[3] if match[2] == ":-" else "" for match in VARIABLE.finditer(TEXT)}
    assert listed == used | {"PULSE_QUARANTINE_KEY_FILE": ""}


def test_mounted_files_are_there_and_read_only() -> None:
    mounts = [
        volume
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if isinstance(volume, str) and volume.startswith(".")
    ]
    assert len(mounts) == 8
    for mount in mounts:
        source, _target, mode = mount.split(":")
        assert (ROOT / source).exists()
        assert mode == "ro"


def test_workers_have_the_public_key_of_the_quarantine_and_nobody_the_private_one(tmp_path: Path) -> None:
    service = SERVICES["worker"]
    inside = service["environment"]["PULSE_QUARANTINE_KEY_FILE"]
    (mount,) = service["volumes"]
    _, public = quarantine.make_keys(tmp_path)
    given = {"PULSE_QUARANTINE_KEY_FILE": str(public)}

    assert (resolved(inside), resolved(mount["source"])) == ("", "/dev/null")
    assert (resolved(inside, **given), resolved(mount["source"], **given)) == (mount["target"], str(public))
    assert (mount["type"], mount["read_only"], mount["bind"]) == ("bind", True, {"create_host_path": False})
    assert public.stat().st_mode & 0o444 == 0o444, "the container reads it as another user"
    named = {name for name, service in SERVICES.items() if "QUARANTINE" in repr(service)}
    assert named == {"worker"}
    assert "quarantine.key" not in TEXT


def test_clickhouse_knows_a_writer_and_a_reader() -> None:
    tree = ElementTree.parse(ROOT / "docker" / "clickhouse" / "users.d" / "pulse.xml")
    users = tree.find("users")
    assert users is not None
    assert {user.tag: user.get("remove") for user in users} == {"default": "remove", "pulse": None, "reader": None}
    for name in ("pulse", "reader"):
        password = users.find(f"{name}/password")
        assert password is not None
        assert password.text is None
        assert password.get("from_env") in SERVICES["clickhouse"]["environment"]
    assert [query.text for query in users.iterfind("pulse/grants/query")][1:] == ["GRANT ALL ON pulse.*"]
    assert [query.text for query in users.iterfind("reader/grants/query")] == ["GRANT SELECT, SHOW ON pulse.*"]
    assert tree.findtext("profiles/reader/readonly") == "1"
    assert tree.find("profiles/reader/constraints/max_execution_time/changeable_in_readonly") is not None
    server = ElementTree.parse(ROOT / "docker" / "clickhouse" / "config.d" / "pulse.xml")
    assert server.findtext("access_control_improvements/settings_constraints_replace_previous") == "true"


def test_the_image_is_locked_small_and_without_rights() -> None:
    final = DOCKERFILE.split("\nFROM ")[-1]
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "/health" in final
    assert 'ENTRYPOINT ["pulse"]' in final
    assert not re.search(r"apt-get|pip|gcc|build-essential", final)


def test_the_image_gets_what_it_copies() -> None:
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sources = {
        source for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for source in files(line)
    }
    assert all((ROOT / source).exists() for source in sources)
    assert all(f"!{source}" in ignore or f"!{Path(source).parent}" in ignore for source in sources)


def files(line: str) -> list[str]:
    return [word for word in line.split()[:-1] if not word.startswith("--")]


def stub(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("stored", "expected"), [("", "fresh"), ("#x\nnode.id=1\ncluster.id=old-1\n", "old-1")])
def test_a_new_kafka_volume_gets_a_new_cluster_id(tmp_path: Path, stored: str, expected: str) -> None:
    stub(tmp_path / "bin" / "kafka-storage.sh", "echo fresh")
    stub(tmp_path / "run", 'echo "id $CLUSTER_ID"')
    if stored:
        (tmp_path / "meta.properties").write_text(stored)
    variables = {"KAFKA_LOG_DIRS": tmp_path, "BROKER_HOME": tmp_path, "BROKER_RUN": tmp_path / "run"}
    environment = {"PATH": os.environ["PATH"], **{name: str(path) for name, path in variables.items()}}
    done = subprocess.run(
        ["sh", ROOT / "docker" / "kafka" / "start.sh"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"id {expected}\n"


def worker(folder: Path, code: str) -> "subprocess.Popen[str]":
    stub(folder / "pulse", code)
    return subprocess.Popen(
        ["sh", ROOT / "docker" / "worker" / "start.sh"],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("code", [0, 1, 137])
def test_the_end_of_a_worker_is_handed_on(tmp_path: Path, code: int) -> None:
    with worker(tmp_path, f"exit {code}") as process:
        assert process.wait(10) == code


def test_a_worker_that_is_stopped_ends_in_its_own_time(tmp_path: Path) -> None:
    text = "trap 'echo last checkpoint; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    with worker(tmp_path, text) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "last checkpoint\n"
        assert process.wait(10) == 0


def test_a_worker_that_cannot_go_on_waits_for_somebody(tmp_path: Path) -> None:
    with worker(tmp_path, "exit 2") as process:
        assert process.stderr is not None
        assert "docker compose restart worker" in process.stderr.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) != 0


def test_grafana_asks_for_a_password_and_reads_what_cannot_be_changed() -> None:
    service = SERVICES["grafana"]
    assert service["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert VARIABLE.fullmatch(service["environment"]["GF_SECURITY_ADMIN_PASSWORD"])
    assert re.fullmatch(
        r"grafana-clickhouse-datasource@4\.20\.\d+", service["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    )
    folder = ROOT / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "sfe-pulse.yaml").read_text("utf-8"))["datasources"]
    assert (source["uid"], source["jsonData"]["username"]) == ("sfe-pulse", "reader")
    assert source["secureJsonData"] == {"password": "$PULSE_CLICKHOUSE_READER_PASSWORD"}
    assert source["jsonData"]["host"] in SERVICES
    providers = yaml.safe_load((folder / "dashboards" / "sfe-pulse.yaml").read_text("utf-8"))["providers"]
    mounted = [volume.split(":")[:2] for volume in service["volumes"] if volume.startswith("./grafana/dashboards")]
    for provider in providers:
        assert not provider["allowUiUpdates"]
        inside = provider["options"]["path"].removeprefix(mounted[0][1])
        assert list((ROOT / mounted[0][0]).joinpath(inside.strip("/")).glob("pulse-*.json"))
