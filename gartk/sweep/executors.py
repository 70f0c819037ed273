"""Where runs are carried out: processes on this machine, or jobs of a cluster through submitit."""

from __future__ import annotations

import importlib.util
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from gartk.errors import ConfigError
from gartk.sweep.child import LIFELINE
from gartk.sweep.store import FAILURE_FILE, LOG_FILE

SECONDS_TO_END = 5.0
SECONDS_BETWEEN_LOOKS = 10.0
# A run that a signal killed (the memory of a machine that ran full, say) goes on once by itself.
ATTEMPTS = 2


class RunEvents(Protocol):
    """Is told of every run, by its folder, as it happens."""

    def started(self, folder: Path) -> None:
        """A run starts, or goes on; any thread may call this."""
        ...

    def ended(self, folder: Path, code: int) -> None:
        """A run has ended with an exit code, negative for a signal."""
        ...

    def waiting(self) -> None:
        """Nothing has happened for some seconds."""
        ...


class Executor(Protocol):
    """Carries out runs, given as their folders.

    An exception in the calling thread, such as Ctrl-C or one of the events's, ends every run that goes on.
    """

    def run(self, folders: Sequence[Path], events: RunEvents) -> None:
        """Carry out all runs, in this order as far as there is room."""
        ...


def child_command(folder: Path) -> list[str]:
    """The command of one run."""
    return [sys.executable, "-m", "gartk.sweep.child", str(folder)]


def child_environment(gpu: str | None = None, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of one run: one thread unless said otherwise, its GPU, and this gartk."""
    environment = dict(os.environ if base is None else base)
    environment.setdefault("OMP_NUM_THREADS", "1")
    environment["PYTHONUNBUFFERED"] = "1"
    home = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (home, environment.get("PYTHONPATH"))))
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    return environment


@contextmanager
def begun(folder: Path) -> Iterator[BinaryIO]:
    """Begin an attempt at a run: what is known of an earlier failure goes, and the log is opened."""
    (folder / FAILURE_FILE).unlink(missing_ok=True)
    with (folder / LOG_FILE).open("ab") as log:
        log.write(f"\n==== {time.strftime('%Y-%m-%d %H:%M:%S')} starts\n".encode())
        log.flush()
        yield log


class LocalExecutor:
    """Runs on this machine, ``jobs`` at once, each a process of its own; with GPUs, one to each run.

    A run ends with this process, even if this process is killed.
    """

    def __init__(
        self,
        *,
        jobs: int | None = None,
        gpus: Sequence[str] = (),
        command: Callable[[Path], list[str]] = child_command,
    ) -> None:
        self.jobs = jobs or max(1, len(gpus))
        if gpus and self.jobs % len(gpus):
            raise ConfigError(f"jobs must be a multiple of the GPUs: got {self.jobs} jobs, {len(gpus)} GPUs.")
        self.gpus = tuple(gpus)
        self.command = command
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_stopping = False

    def run(self, folders: Sequence[Path], events: RunEvents) -> None:
        """Carry out all runs; see ``Executor``."""
        slots: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for number in range(self.jobs):
            slots.put(self.gpus[number % len(self.gpus)] if self.gpus else None)
        with ThreadPoolExecutor(self.jobs) as pool:
            futures = {pool.submit(self._one, folder, slots, events): folder for folder in folders}
            try:
                while futures:
                    done, _ = wait(futures, SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
                    for future in done:
                        events.ended(futures.pop(future), future.result())
                    if not done:
                        events.waiting()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()
                raise

    def _one(self, folder: Path, slots: queue.SimpleQueue[str | None], events: RunEvents) -> int:
        gpu = slots.get()
        try:
            for _ in range(ATTEMPTS):
                events.started(folder)
                code = self._attempt(folder, gpu)
                if code >= 0 or self._is_stopping:
                    break
            return code
        finally:
            slots.put(gpu)

    def _attempt(self, folder: Path, gpu: str | None) -> int:
        with begun(folder) as log:
            with self._lock:
                if self._is_stopping:
                    return -signal.SIGTERM
                process = subprocess.Popen(
                    self.command(folder),
                    env={**child_environment(gpu), LIFELINE: "1"},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._alive.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._alive.discard(process)
                if process.stdin is not None:
                    process.stdin.close()

    def _stop(self) -> None:
        """End every run; what they have saved stays."""
        with self._lock:
            self._is_stopping = True
            alive = list(self._alive)
        for process in alive:
            _signal_group(process, signal.SIGTERM)
        end = time.monotonic() + SECONDS_TO_END
        for process in alive:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a run and the data workers that it started; it leads a process group of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


class SubmititExecutor:
    """Runs as jobs of a cluster, scheduled by it; ``jobs`` at once at most (None: as it likes).

    ``parameters`` are those of ``submitit.AutoExecutor.update_parameters``, such as
    ``dict(timeout_min=600, gpus_per_node=1, slurm_partition='a100')``.

    Raises: ConfigError if submitit is not installed, or refuses the parameters.
    """

    def __init__(
        self,
        folder: Path,
        *,
        jobs: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        cluster: str = "slurm",
        command: Callable[[Path], list[str]] = child_command,
    ) -> None:
        if importlib.util.find_spec("submitit") is None:
            raise ConfigError("--executor slurm needs submitit: pip install 'gartk[sweep]'.")
        import submitit

        options = {"name": "gartk-sweep", **(parameters or {})}
        if jobs is not None and cluster == "slurm":
            options.setdefault("slurm_array_parallelism", jobs)
        self.command = command
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=cluster)
            self._executor.update_parameters(**options)
        except (NameError, ValueError, RuntimeError, AssertionError, TypeError) as error:
            raise ConfigError(f"submitit refuses the sweep's slurm parameters {options}: {error}") from error

    def run(self, folders: Sequence[Path], events: RunEvents) -> None:
        """Submit all runs and wait for them; see ``Executor``."""
        jobs = dict(
            zip(
                folders,
                self._executor.map_array(
                    run_job, [(str(folder.resolve()), self.command(folder.resolve())) for folder in folders]
                ),
                strict=True,
            )
        )
        for folder in folders:
            events.started(folder)
        try:
            while jobs:
                for folder in [folder for folder, job in jobs.items() if job.done()]:
                    events.ended(folder, _code_of(jobs.pop(folder), folder))
                if jobs:
                    events.waiting()
                    time.sleep(SECONDS_BETWEEN_LOOKS if self._executor.cluster == "slurm" else 0.1)
        except BaseException:
            for job in jobs.values():
                job.cancel()
            raise


def run_job(task: tuple[str, list[str]]) -> int:
    """Carry out one run inside of a cluster's job; return its exit code."""
    with begun(Path(task[0])) as log:
        return subprocess.run(
            task[1], env=child_environment(), stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode


def _code_of(job: Any, folder: Path) -> int:
    """A job's exit code; 1 where the cluster ended it, and the log then says so."""
    error = job.exception()
    if error is None:
        return int(job.result())
    with (folder / LOG_FILE).open("a", encoding="utf-8") as log:
        log.write(f"\nThe cluster's job ended by itself: {error}\n")
    return 1
