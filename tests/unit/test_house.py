"""Rules of the repository as a whole."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agents", "schemas", "streams")
LONGEST_FILE = 400
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")

#: Registries and machines have no place in the text. Written in pieces, so that this file passes its own test.
_REGISTRY = "|".join(
    ("pypi" + r"\.org", "python" + r"hosted\.org", "repo1?" + r"\.maven\.", "--index" + "-url ", "--find" + "-links ")
)
_MACHINE = (
    r"(?<![\w.~<-])/(?:" + "|".join(("root", "work", r"home/\w+", r"Users/\w+", "opt/" + "wheels")) + r")(?:/|\b)"
)
FOREIGN = re.compile(f"{_REGISTRY}|{_MACHINE}")


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def tracked() -> Iterator[Path]:
    """Files under version control, or all but the generated ones where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listing.returncode != 0:
        pytest.skip("no git here: which files belong to the repository is not known")
    names = (ROOT / name for name in listing.stdout.split("\0") if name)
    return (path for path in names if path.is_file())


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "policies").rglob("*.md")])


def commands(readme: Path) -> list[str]:
    """Lines of the fenced blocks, without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", readme.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = (re.sub(r"(^|\s+)#.*$", "", line).rstrip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def test_files_of_the_packages_stay_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}

    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_every_module_says_what_it_is() -> None:
    unsaid = [path for path in modules() if not path.read_text(encoding="utf-8").startswith(('"""', 'r"""', "#!"))]

    assert [str(path.relative_to(ROOT)) for path in unsaid] == []


def test_every_package_folder_has_an_init() -> None:
    assert [str(path) for path in {path.parent for path in modules()} if not (path / "__init__.py").exists()] == []


def test_no_registry_and_no_machine_is_named() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if (match := FOREIGN.search(line))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("line", "foreign"),
    [
        ("see https://" + "pypi" + ".org/simple", True),
        ("--index" + "-url https://example.org", True),
        ("open(" + '"/ro' + 'ot/x")', True),
        ("path = /ho" + "me/ann/x", True),
        ("no-emit-index" + "-url", False),
        ("docs/work/plan.md", False),
        ("a workplace", False),
    ],
)
def test_the_search_for_registries_and_machines_finds_them(line: str, foreign: bool) -> None:
    assert bool(FOREIGN.search(line)) is foreign


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_resolve(document: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [unquote(target.split("#")[0]) for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]

    assert [target for target in targets if target and not (document.parent / target).exists()] == []


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = (commands(readme) for readme in READMES)

    assert english == chinese
    assert english[:2] == ["make run", "make test"]


def test_every_command_in_the_readme_is_one_of_ours() -> None:
    named = {line.split()[0] for line in commands(READMES[0]) if not line.startswith(" ")}

    assert {word for word in named if "=" not in word} <= {
        "make",
        "pulse",
        ".venv/bin/pulse",
        "curl",
        "export",
        "cp",
        "docker",
    }


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony
    targets = set(phony[1].split())

    assert targets - set(re.findall(r"echo 'make ([\w-]+)", makefile)) == {"help", "install-test"}
    assert targets <= set(re.findall(r"^([\w-]+):", makefile, flags=re.MULTILINE))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with the Makefile alone, and a `bin` with make and nothing else."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in ("make", "sh"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or pytest.skip(f"{tool} is not installed"))
    return tmp_path


def make(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": str(folder / "bin")}
    return subprocess.run(
        [folder / "bin" / "make", *arguments], cwd=folder, env=environment, capture_output=True, check=False, text=True
    )


def python_stub(folder: Path, version: str) -> Path:
    stub = folder / "bin" / "python-stub"
    stub.write_text(f"#!{folder}/bin/sh\necho {version}\n", encoding="utf-8")
    stub.chmod(0o755)
    return stub


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.9", "3.10"])
@pytest.mark.parametrize("target", ["run", "test", "install"])
def test_an_unsupported_python_is_told_in_one_line(elsewhere: Path, version: str, target: str) -> None:
    done = make(elsewhere, target, f"PYTHON={python_stub(elsewhere, version)}")

    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        f"sfe-pulse needs Python 3.11 or newer; {elsewhere}/bin/python-stub is {version}: "
        "install a newer one or run make PYTHON=python3.12 …"
    )
    assert not (elsewhere / ".venv").exists()


def test_a_missing_python_is_told_too(elsewhere: Path) -> None:
    assert make(elsewhere, "run").stderr.startswith("sfe-pulse needs Python 3.11 or newer; python3 is missing: ")


def test_without_java_the_kafka_suite_says_that_it_was_not_run(elsewhere: Path) -> None:
    done = make(elsewhere, "test-kafka")

    assert done.returncode == 0
    assert done.stdout == "test-kafka: java was not found, so the suite on a real Kafka was not run\n"


def test_a_unit_test_that_connects_fails() -> None:
    with socket.socket() as connection, pytest.raises(pytest.fail.Exception, match="a unit test tried to connect to"):
        connection.connect(("127.0.0.1", 9))


@pytest.mark.usefixtures("network")
def test_a_unit_test_that_asked_may_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as connection:
        assert connection.getpeername() == server.getsockname()


def test_a_unit_test_sees_no_settings_of_the_machine() -> None:
    assert [name for name in os.environ if name.startswith("PULSE_")] == []
