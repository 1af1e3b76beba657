"""The simulation as files: JSON lines by kind, ready for `pulse import KIND FILE`, and the labels."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import orjson

from schemas.events import EVENT_MODELS
from schemas.reference import REFERENCE_MODELS
from streams.errors import UsageError
from streams.simulator.labels import labels
from streams.simulator.world import Simulation

LABELS = "labels.json"
_TELL_EVERY = 2_000


def write(simulation: Simulation, folder: Path, progress: Callable[[int, int], None]) -> Counter[str]:
    """Write everything from the plan's start to its end.

    Args:
        simulation: a fresh one.
        folder: made when missing; files in it are replaced.
        progress: told now and then how many events are written, and up to which moment of the company's clock.

    Returns:
        Lines by kind.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = {
                kind: stack.enter_context((folder / f"{kind}.jsonl").open("wb"))
                for kind in (*REFERENCE_MODELS, *EVENT_MODELS)
            }
            counts = _fill(simulation, files, progress)
        write_labels(simulation, folder / LABELS)
        for kind in files:
            if not counts[kind]:
                (folder / f"{kind}.jsonl").unlink()
    except OSError as error:
        msg = f"{folder} cannot be written ({error.strerror}): name another folder with --out"
        raise UsageError(msg) from None
    return counts


def write_labels(simulation: Simulation, file: Path) -> None:
    """Write the labels of a simulation whose events have been made, and beside them those of the rules."""
    file.write_bytes(orjson.dumps(labels(simulation), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    of_rules = [label._asdict() for label in simulation.labels()]
    beside = file.with_name(file.name.replace("labels", "breaches"))
    beside.write_bytes(orjson.dumps(of_rules, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _fill(simulation: Simulation, files: Mapping[str, BinaryIO], progress: Callable[[int, int], None]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in simulation.references():
        files[row.kind_name].write(orjson.dumps(row.model_dump(mode="json")) + b"\n")
        counts[row.kind_name] += 1
    done = 0
    for done, made in enumerate(simulation.events(), start=1):
        files[made.kind].write(made.value + b"\n")
        counts[made.kind] += 1
        if done % _TELL_EVERY == 0:
            progress(done, made.at)
    progress(done, 0)
    return counts
