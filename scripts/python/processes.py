"""Runs whole processes for bench.py and measures wall time and peak memory. No started process outlives it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

# ru_maxrss counts KiB on Linux and bytes on macOS.
MAXRSS_PER_MB = 1e6 if sys.platform == "darwin" else 1e6 / 1024
MAX_SECONDS = 1800  # per run


class Failed(Exception):
    """A run that cannot be measured; the message says which and why."""


def usable_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@contextmanager
def started(command: list[str], errors):
    """Starts a command in its own process group, so that all its children can be killed too."""
    # Not in its own session: Linux first divides CPU time among sessions (autogroup), so a job beside a busy loop in
    # another session would get a share that does not depend on its threads.
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, process_group=0)
    except OSError as error:
        raise Failed(f"{command[0]} does not start: {error.strerror}") from None
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def be_busy(core: int, driver: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    # Ends even if the driver is killed with -9.
    while os.getppid() == driver:
        for _ in range(1_000_000):
            pass


@contextmanager
def busy_cores(cores: list[int]):
    """Keeps one busy process per core, pinned to it (macOS has no pinning), at the driver's priority."""
    loops = [multiprocessing.Process(target=be_busy, args=(core, os.getpid())) for core in cores]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


def run_all(commands: list[list[str]], table: Path | None = None) -> dict:
    """Runs the commands at the same time. Returns the seconds until the last is done and the peak MB of the largest; with `table`,
    a CSV file, also the seconds until its first row."""
    # Short enough to time a start, long enough not to slow down a long job.
    pause = 0.001 if table else 0.01
    first_row, usages = "", []
    with ExitStack() as stack:
        before = time.perf_counter()
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands]
        processes = [stack.enter_context(started(*pair)) for pair in zip(commands, errors)]
        while len(usages) < len(processes):
            time.sleep(pause)
            seconds = time.perf_counter() - before
            if seconds > MAX_SECONDS:
                raise Failed(f"not done after {MAX_SECONDS} s:  {' '.join(commands[0])}")
            if table and first_row == "" and table.exists() and table.read_bytes().count(b"\n") > 1:
                first_row = seconds
            for process, stderr in zip(processes, errors):
                pid, status, usage = os.wait4(process.pid, os.WNOHANG) if process.returncode is None else (0, 0, None)
                if not pid:
                    continue
                process.returncode = os.waitstatus_to_exitcode(status)
                usages.append(usage)
                if process.returncode != 0:
                    stderr.seek(0)
                    raise Failed(f"exit code {process.returncode} from  {' '.join(process.args)}  with the output:\n"
                                 f"{stderr.read().decode(errors='replace').strip() or 'nothing'}")
    peak = max(usage.ru_maxrss for usage in usages) / MAXRSS_PER_MB
    return {"seconds": seconds, "first_row_seconds": first_row, "peak_rss_mb": peak}
