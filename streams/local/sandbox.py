"""Landlock: after `confine` this process reads and writes only what the local services need.

SQL functions that read files have no grant in ClickHouse; the kernel refuses them here, with every other way out of
the data folder. The rules bind the calling thread and those it starts, so `confine` comes before any service.

Reference: https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import schemas
import streams

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE_FILE, _MAKE_FILE = 1 << 5, 1 << 8
_FIRST_RIGHTS = (1 << 13) - 1
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/nix/store", "/sys", "/proc/sys"),
    *("/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/filesystems"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/hosts"),
    *("/etc/resolv.conf", "/etc/gai.conf", "/dev/urandom", "/dev/random", "/dev/zero"),
)
#: Of this process; not its environment, memory or open files.
_OWN = ("maps", "stat", "statm", "status", "cgroup", "mounts", "mountinfo", "limits", "io", "schedstat")
#: A rule for a file below /proc lasts as long as the file is held open.
_HELD: list[int] = []


def confine(data: Path) -> bool:
    """Leave this process only `data` to write, and of it only `data/clickhouse` to read again.

    Returns:
        False, with nothing changed, where the kernel has no Landlock.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if version < 1:
        return False
    handled = _FIRST_RIGHTS | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)  # noqa: PLR2004
    attributes = struct.pack("<Q", handled)
    ruleset = library.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path, rights in _rules(data):
            _allow(library, ruleset, path, rights & handled)
        library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return bool(library.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _rules(data: Path) -> Iterable[tuple[Path, int]]:
    for path in (*map(Path, _SYSTEM), *_python(data), *(Path(f"/proc/{os.getpid()}/{name}") for name in _OWN)):
        yield path, _READ_FILE | _READ_DIR
    yield Path(os.devnull), _READ_FILE | _WRITE_FILE
    yield data, _WRITE_FILE | _MAKE_FILE | _REMOVE_FILE | _TRUNCATE
    database = data / "clickhouse"
    database.mkdir(exist_ok=True)
    yield database, (_FIRST_RIGHTS | _REFER | _TRUNCATE) & ~_EXECUTE


def _python(data: Path) -> Iterable[Path]:
    """Where modules come from; of a checkout only the packages, for its folder may hold passwords and `data` itself."""
    checkout = Path(streams.__file__).parents[1]
    yield from (Path(package.__file__ or "").parent for package in (streams, schemas))
    yield from (Path(prefix) for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix})
    for entry in map(Path, sys.path):
        installed = entry.name.endswith("-packages") or entry not in {checkout, Path.cwd()}
        if installed and not data.is_relative_to(entry):
            yield entry


def _allow(library: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this machine
        return
    if not path.is_dir():
        rights &= _ON_FILES
    library.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("<Qi", rights, handle), 0)
    if path.is_relative_to("/proc"):
        _HELD.append(handle)
    else:
        os.close(handle)
