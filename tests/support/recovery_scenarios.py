"""Ways in which a run can be disturbed; after each of them the tables must equal those of an undisturbed run.

Every scenario sends all messages of the company in their order, disturbs the engine meanwhile, waits until the workers
have drained the topics and returns what the tables hold. The seed decides where in the run the disturbance falls.
"""

import random
from collections.abc import Callable, Sequence

from engine_harness import Stack, Worker
from field_force import Company, Message
from result_tables import Tables, tables

#: What the README promises of a SIGTERM, seconds.
EXIT_S = 10.0
_NOTICED_S = 30.0

Scenario = Callable[[Stack, Company], Tables]


def undisturbed(stack: Stack, company: Company) -> Tables:
    """One worker, nothing happens."""
    stack.prepare(company)
    stack.worker()
    stack.send(company.messages)
    return _end(stack)


def killed(stack: Stack, company: Company, kills: int = 1) -> Tables:
    """SIGKILL in the middle, and a new worker; as often as asked."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    worker = stack.worker()
    for piece in _pieces(company, kills + 1)[:-1]:
        _send_and_let_work(stack, piece, rng)
        worker.kill()
        worker = stack.worker()
    stack.send(_pieces(company, kills + 1)[-1])
    return _end(stack)


def killed_often(stack: Stack, company: Company) -> Tables:
    """Four times SIGKILL in one run."""
    return killed(stack, company, kills=4)


def joined_and_left(stack: Stack, company: Company) -> Tables:
    """A second worker joins late, then the first is killed."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    first, (early, middle, late) = stack.worker(), _pieces(company, 3)
    _send_and_let_work(stack, early, rng)
    alone = stack.owners()
    stack.worker()
    stack.send(middle)
    stack.wait_owned(alone)
    first.kill()
    stack.send(late)
    return _end(stack)


def zombie(stack: Stack, company: Company) -> Tables:
    """One of two workers is stopped until the other has done all of the work, then goes on where it stood."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    (first, _), (early, middle, late) = _two_workers(stack), _pieces(company, 3)
    _send_and_let_work(stack, early, rng)
    stack.send(middle)
    first.freeze()
    stack.wait_drained()
    alone = stack.owners()
    first.thaw()
    stack.send(late)
    stack.wait_owned(alone)
    return _end(stack)


def replaced_zombie(stack: Stack, company: Company) -> Tables:
    """The only worker is stopped, another takes over everything, then the first goes on where it stood."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    first, (early, late) = stack.worker(), _pieces(company, 2)
    _send_and_let_work(stack, early, rng)
    first.freeze()
    stack.worker()
    stack.wait_drained()
    alone = stack.owners()
    first.thaw()
    stack.send(late)
    stack.wait_owned(alone)
    return _end(stack)


def redis_emptied_while_running(stack: Stack, company: Company) -> Tables:
    """Redis loses everything under a working engine."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    stack.worker()
    early, late = _pieces(company, 2)
    _send_and_let_work(stack, early, rng)
    stack.flush_redis()
    stack.send(late)
    return _end(stack)


def redis_set_back_while_running(stack: Stack, company: Company) -> Tables:
    """Redis loses its last checkpoints under a working engine, as after a crash that saves once a second."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    worker, (early, middle, late) = stack.worker(), _pieces(company, 3)
    _send_and_let_work(stack, early, rng)
    saved = stack.saved_redis()
    _send_and_let_work(stack, middle, rng)
    stack.set_back_redis(saved)
    stack.send(late)
    found = _end(stack)
    assert worker.said("was set back to checkpoint"), f"the worker did not notice:\n{worker.tail()}"
    return found


def redis_set_back_between_runs(stack: Stack, company: Company) -> Tables:
    """Redis loses its last checkpoints while no worker runs."""
    stack.prepare(company)
    rng = random.Random(company.seed)
    worker, (early, middle, late) = stack.worker(), _pieces(company, 3)
    _send_and_let_work(stack, early, rng)
    saved = stack.saved_redis()
    stack.send(middle)
    stack.wait_drained()
    leaves(worker)
    stack.set_back_redis(saved)
    stack.send(late)
    worker = stack.worker()
    found = _end(stack)
    assert worker.said("Redis is behind what Kafka was told"), f"the worker did not notice:\n{worker.tail()}"
    return found


def redis_emptied_between_runs(stack: Stack, company: Company) -> Tables:
    """Redis loses everything while no worker runs."""
    stack.prepare(company)
    worker, (early, late) = stack.worker(), _pieces(company, 2)
    stack.send(early)
    stack.wait_drained()
    leaves(worker)
    stack.flush_redis()
    stack.send(late)
    stack.worker()
    return _end(stack)


def ended_and_started(stack: Stack, company: Company) -> Tables:
    """SIGTERM in the middle of the work, then a new worker."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    worker, (early, middle, late) = stack.worker(), _pieces(company, 3)
    _send_and_let_work(stack, early, rng)
    stack.send(middle)
    leaves(worker)
    stack.worker()
    stack.send(late)
    return _end(stack)


def ended_while_another_joins(stack: Stack, company: Company) -> Tables:
    """SIGTERM for one worker while the shards are being handed out anew."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    first, (early, late) = stack.worker(), _pieces(company, 2)
    _send_and_let_work(stack, early, rng)
    alone = stack.owners()
    stack.worker()
    stack.send(late)
    stack.wait_owned(alone)
    leaves(first)
    return _end(stack)


def clickhouse_away(stack: Stack, company: Company) -> Tables:
    """ClickHouse stops until the worker has noticed, and comes back on its port."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    worker, (early, middle, late) = stack.worker(), _pieces(company, 3)
    _send_and_let_work(stack, early, rng)
    stack.stop_clickhouse()
    try:
        stack.send(middle)
        stack.wait(lambda: worker.said("ClickHouse does not answer"), "the worker to notice", _NOTICED_S)
    finally:
        stack.start_clickhouse()
    stack.send(late)
    found = _end(stack)
    assert worker.running, f"the worker gave up while ClickHouse was away:\n{worker.tail()}"
    return found


def ended_while_clickhouse_is_away(stack: Stack, company: Company) -> Tables:
    """SIGTERM while a checkpoint waits for ClickHouse: the worker gives up in time, and the next one reads again."""
    rng = random.Random(company.seed)
    stack.prepare(company)
    worker, (early, late) = stack.worker(), _pieces(company, 2)
    _send_and_let_work(stack, early, rng)
    stack.stop_clickhouse()
    try:
        stack.send(late)
        stack.wait(lambda: worker.said("ClickHouse does not answer"), "the worker to notice", _NOTICED_S)
        leaves(worker)
    finally:
        stack.start_clickhouse()
    stack.worker()
    return _end(stack)


def broker_restarted(stack: Stack, company: Company) -> Tables:
    """A real broker shuts down in good order and starts again."""
    return _with_broker_restart(stack, company, kill=False)


def broker_killed(stack: Stack, company: Company) -> Tables:
    """A real broker is killed and starts again."""
    return _with_broker_restart(stack, company, kill=True)


#: What every broker must survive, by name.
SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        killed,
        joined_and_left,
        zombie,
        replaced_zombie,
        redis_emptied_while_running,
        redis_emptied_between_runs,
        redis_set_back_while_running,
        redis_set_back_between_runs,
        ended_and_started,
        ended_while_another_joins,
        clickhouse_away,
        ended_while_clickhouse_is_away,
    )
}
#: What only a broker that keeps its messages survives.
BROKER_SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario for scenario in (broker_restarted, broker_killed, killed_often)
}


def leaves(worker: Worker) -> None:
    """SIGTERM, and the promise about it: exit 0 within ten seconds."""
    code, seconds = worker.terminate()
    assert code == 0, f"exit code {code} after SIGTERM; the log ends:\n{worker.tail()}"
    assert seconds < EXIT_S, f"SIGTERM took {seconds:.1f} s"


def _with_broker_restart(stack: Stack, company: Company, *, kill: bool) -> Tables:
    rng = random.Random(company.seed)
    stack.prepare(company)
    assert stack.kafka is not None
    stack.worker()
    early, late = _pieces(company, 2)
    _send_and_let_work(stack, early, rng)
    stack.kafka.restart(kill=kill)
    stack.send(late)
    return _end(stack)


def _two_workers(stack: Stack) -> tuple[Worker, Worker]:
    first = stack.worker()
    alone = stack.wait_owned()
    second = stack.worker()
    stack.wait_owned(alone)
    return first, second


def _send_and_let_work(stack: Stack, messages: Sequence[Message], rng: random.Random) -> None:
    """Send, and come back when a checkpoint holds some of them: how many, the seed says."""
    before = stack.taken()
    stack.send(messages)
    stack.wait_taken(before + rng.randrange(1, max(2, len(messages) // 2)))


def _pieces(company: Company, count: int) -> list[list[Message]]:
    size = -(-len(company.messages) // count)
    return [company.messages[start : start + size] for start in range(0, len(company.messages), size)]


def _end(stack: Stack) -> Tables:
    stack.wait_drained()
    with stack.client() as client:
        return tables(client)
