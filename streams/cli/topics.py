"""`pulse topics`: prepare the topics of a Kafka cluster."""

import json
import sys
from typing import Annotated

import typer

from streams import settings as settings_module
from streams.errors import UsageError
from streams.supervisor.kafka_topics import ensure_topics
from streams.topics import SHARD_TOPICS


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Prepare the topics of a Kafka cluster.", rich_markup_mode=None)

    @group.callback()
    def root() -> None:
        """Prepare the topics of a Kafka cluster."""

    group.command("create")(create)
    app.add_typer(group, name="topics")


def create(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Create the missing topics. Those that workers read, with PULSE_PARTITIONS partitions.

    Topics that are there keep theirs; new ones get the same count. `pulse up` does this by itself.
    """
    settings = settings_module.load()
    if settings.kafka_url is None:
        msg = "no Kafka is set: set PULSE_KAFKA_URL; the local broker of `pulse up` needs no topics created"
        raise UsageError(msg)
    partitions = ensure_topics(settings)
    if as_json:
        sys.stdout.write(json.dumps({"topics": SHARD_TOPICS, "partitions": partitions}) + "\n")
    else:
        sys.stdout.write(f"{', '.join(SHARD_TOPICS)}: {partitions} partitions each\n")
