"""The data folder: who holds it, the passwords, and what the running services are called."""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any

from streams.errors import UsageError


class DataFolder:
    """A data folder held by this process.

    Args:
        path: made when missing.

    Raises:
        UsageError: the folder cannot be written, or another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if self.path.exists() and not self.path.is_dir():
            msg = f"{path} is a file, not a folder: choose another with --data"
            raise UsageError(msg)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"{path} cannot be written ({_reason(error)}): make it writable, or choose another folder with --data"
            raise UsageError(msg) from None
        self._hold()

    def credentials(self) -> dict[str, str]:
        """Password of each ClickHouse user; random, made at the first call and kept."""
        file = self.path / "credentials.json"
        try:
            return {str(user): str(password) for user, password in json.loads(file.read_text()).items()}
        except FileNotFoundError:
            made = {user: secrets.token_urlsafe(18) for user in ("pulse", "reader")}
            write_private(file, made)
            return made
        except (OSError, ValueError, AttributeError):
            msg = f"{file} cannot be read: make it readable, or delete it to get new passwords"
            raise UsageError(msg) from None

    def announce(self, urls: dict[str, Any]) -> None:
        """Leave the URLs for others of the same user in `local.json`."""
        write_private(self.path / "local.json", urls)

    def release(self) -> None:
        """Take `local.json` away and let the folder go."""
        (self.path / "local.json").unlink(missing_ok=True)
        os.close(self._lock)

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            msg = f"{self.path} is in use by process {holder}: stop it, or choose another folder with --data"
            raise UsageError(msg) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)


def write_private(file: Path, content: dict[str, Any]) -> None:
    """Replace `file` at once by JSON that only its owner may read.

    Raises:
        UsageError: when the folder refuses.
    """
    draft = file.with_name(file.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump(content, stream)
        draft.replace(file)
    except OSError as error:
        msg = f"{file} cannot be written ({_reason(error)}): make its folder writable, or choose another with --data"
        raise UsageError(msg) from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
