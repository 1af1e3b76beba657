"""The policy of delivery in a folder: read, checked, with the place of every mistake."""

from pathlib import Path

from schemas.delivery import DeliveryPolicy
from streams import policies
from streams.policies import PolicyError

FILE = "delivery.yaml"
#: Holds in a folder without the file: everything at once, into the outbox on this machine.
BUILT_IN = """\
recipients:
  desk: { title: { zh: 值班, en: Desk }, channels: [outbox] }
routes:
  - to: [desk]
"""
_NEEDS = "it needs `recipients` and `routes`"


def check(text: str, name: str) -> DeliveryPolicy:
    """The policy of delivery in `text`; `name` is the file that messages point at.

    Raises:
        PolicyError: with every mistake and its place; so is a channel or recipient that does not exist.
    """
    policy = policies.parse_as(DeliveryPolicy, text, name, _NEEDS)
    if flaws := list(policy.flaws()):
        raise PolicyError([policies.mistake_at(text, name, place, what) for place, what in flaws])
    return policy


def text_in(folder: Path) -> str:
    """Text of the policy that holds in a folder: the file, or what is built in where there is none.

    Raises:
        UsageError: the file cannot be read.
    """
    return policies.read(folder, FILE) if (folder / FILE).exists() else BUILT_IN


def load(folder: Path) -> DeliveryPolicy:
    """The policy of delivery in a folder.

    Raises:
        UsageError: it is missing or wrong; the message names file, line and column.
    """
    return check(policies.read(folder, FILE), str(folder / FILE))
