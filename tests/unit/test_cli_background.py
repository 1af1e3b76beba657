"""Work beside the supervisor: ends, fails and is stopped in order."""

import threading

from streams.supervisor.background import Background, StoppedError


class Work(Background):
    """Does what it is given."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("work")
        self.begun, self.go_on, self.said = threading.Event(), threading.Event(), ""
        self._error = error

    def work(self) -> None:
        self.status = "working"
        self.begun.set()
        self.go_on.wait(20)
        if self._error is not None:
            raise self._error
        self.check()
        self.said = "done"

    def stopped(self) -> None:
        self.said = f"stopped while {self.status}"


def finished(work: Work) -> Work:
    work.start()
    work.begun.wait(20)
    work.go_on.set()
    work.join(20)
    return work


def test_work_that_ends() -> None:
    work = finished(Work())
    assert (work.said, work.error, work.status, work.is_alive()) == ("done", None, "", False)


def test_an_error_is_kept_for_the_main_thread() -> None:
    error = ValueError("no")
    assert finished(Work(error)).error is error


def test_work_that_is_stopped_says_so_and_is_no_error() -> None:
    work = Work()
    work.start()
    work.begun.wait(20)
    work.stop(0)
    work.go_on.set()
    work.join(20)
    assert (work.said, work.error, work.status) == ("stopped while working", None, "")


def test_a_kind_of_work_may_have_its_own_end() -> None:
    class Own(Work):
        stop_error = KeyError

    assert finished(Own(KeyError("end"))).error is None
    assert isinstance(finished(Own(StoppedError())).error, StoppedError)
