"""Runs whole processes for compare.py: wall time, CPU time, peak memory; nothing it starts outlives it."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

# ru_maxrss counts KiB on Linux and bytes on macOS.
MAXRSS_PER_MB = 1e6 if sys.platform == "darwin" else 1e6 / 1024
# Looks after its parent now and then, so that it ends even where the driver is killed with no chance to clean up.
BUSY = """
import os, sys
core, parent = int(sys.argv[1]), int(sys.argv[2])
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {core})
print(flush=True)
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


class Failed(Exception):
    """A run that says nothing about speed; the message says which and why."""


class TimedOut(Exception):
    """A run that was ended because it took too long."""


def usable_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@contextmanager
def busy_cores(cores: list[int]):
    """One busy process pinned to each core (not pinned on macOS, which cannot), at the driver's own priority."""
    loops = []
    try:
        for core in cores:
            command = [sys.executable, "-c", BUSY, str(core), str(os.getpid())]
            # A process group of its own keeps Ctrl-C for the driver, which then ends the loop without a traceback.
            # Not a session: Linux shares the cores among sessions first (autogroup), so that each thread of a job
            # of two threads would get a third of a core next to a loop in a session of its own, whatever it does.
            loops.append(subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0))
        for core, loop in zip(cores, loops):
            if not loop.stdout.readline():
                raise Failed(f"no busy process could be pinned to core {core}: check the affinity of this shell")
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
            loop.stdout.close()


def run_all(commands: list[list[str]], timeout: float, table: Path | None = None) -> dict:
    """Runs the commands at the same time. Seconds until the last is done, CPU seconds of all, MB of the largest;
    with `table`, a CSV file, also the seconds until it has its first row."""
    expired, done, first_row = threading.Event(), threading.Event(), []
    started = []
    timer = threading.Timer(timeout, end_all, (started, expired))
    timer.daemon = True
    try:
        timer.start()
        before = time.perf_counter()
        if table:
            threading.Thread(target=watch, args=(table, before, done, first_row), daemon=True).start()
        for command in commands:
            started.append(start(command))
        usages = [wait(process, expired) for process in started]
        seconds = time.perf_counter() - before
    finally:
        done.set()
        timer.cancel()
        end_all(started)
        for process in started:
            process.errors.close()
    return {
        "seconds": seconds,
        "first_row_seconds": first_row[0] if first_row else "",
        "user_seconds": sum(usage.ru_utime for usage in usages),
        "system_seconds": sum(usage.ru_stime for usage in usages),
        "peak_rss_mb": max(usage.ru_maxrss for usage in usages) / MAXRSS_PER_MB,
    }


def watch(table: Path, before: float, done: threading.Event, first_row: list[float]) -> None:
    """Looks every millisecond whether there is a line below the header."""
    while not done.wait(0.001):
        if table.exists() and table.read_bytes().count(b"\n") > 1:
            first_row.append(time.perf_counter() - before)
            return


def start(command: list[str]) -> subprocess.Popen:
    """In a process group of its own, so that it can be ended with all that it started."""
    errors = tempfile.TemporaryFile()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, process_group=0)
    except OSError as error:
        errors.close()
        raise Failed(f"{command[0]} does not start: {error.strerror}") from None
    process.errors = errors
    return process


def wait(process: subprocess.Popen, expired: threading.Event):
    """The resource usage of the process, once it has ended well."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if expired.is_set():
        raise TimedOut
    if process.returncode != 0:
        process.errors.seek(0)
        said = process.errors.read().decode(errors="replace").strip() or "nothing"
        raise Failed(f"exit code {process.returncode} from  {' '.join(process.args)}  which said:\n{said}")
    return usage


def end_all(processes: list[subprocess.Popen], expired: threading.Event | None = None) -> None:
    if expired:
        expired.set()
    for process in processes:
        if process.returncode is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            # The timer leaves the waiting to the thread that measures.
            if not expired:
                process.wait()
