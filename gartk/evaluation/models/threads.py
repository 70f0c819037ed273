"""Work that waits for a server: several pieces at once, no more often than allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    threads: int,
    give_up: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Do the work of every job, ``threads`` at once; yield the results as they come.

    A job is taken only when a thread is free for it. The first error ends all, and so does Ctrl-C: no more
    jobs are taken, ``give_up`` is called, and work under way is left alone, also if the program ends.
    A single thread is the caller's own.
    """
    if threads == 1:
        yield from map(work, jobs)
        return
    source = iter(jobs)
    todo: SimpleQueue[list[Job]] = SimpleQueue()
    done: SimpleQueue[tuple[list[Result], BaseException | None]] = SimpleQueue()

    def serve() -> None:
        while job := todo.get():
            try:
                done.put(([work(job[0])], None))
            except BaseException as error:
                done.put(([], error))

    # A pool of concurrent.futures would be waited for when the program ends, silent servers and all.
    for _ in range(threads):
        threading.Thread(target=serve, daemon=True).start()
    under_way = 0
    try:
        for job in islice(source, threads):
            todo.put([job])
            under_way += 1
        while under_way:
            result, error = done.get()
            under_way -= 1
            if error is not None:
                yield from _finished(done)
                raise error
            for job in islice(source, 1):
                todo.put([job])
                under_way += 1
            yield from result
    except BaseException:
        give_up()
        raise
    finally:
        for _ in range(threads):
            todo.put([])


def _finished(done: SimpleQueue[tuple[list[Result], BaseException | None]]) -> Iterator[Result]:
    """The results that are there already."""
    while not done.empty():
        yield from done.get()[0]


class RateLimit:
    """Lets callers pass one after the other, at most ``per_minute`` of them in a minute, evenly spaced.

    Threads may share one. None never makes anyone wait.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for one's turn."""
        if not self._gap_s:
            return
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._gap_s
        time.sleep(max(0.0, turn - time.monotonic()))
