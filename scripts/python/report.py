"""Formats the output of bench.py: Markdown tables and the machine they were measured on."""

import datetime
import platform
import subprocess
from pathlib import Path
from statistics import mean, median

from processes import usable_cores

FLAGS = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve"]


def measured(rows: list[dict], command: str, column: str = "seconds") -> dict[int, float]:
    """Maps round to measurement, skipping rounds without one."""
    return {row["round"]: row[column] for row in rows if row["command"] == command and row[column] != ""}


def both(one: dict[int, float], other: dict[int, float], combined) -> list[float]:
    """Combines two measurements in each round that has both."""
    return [combined(one[number], other[number]) for number in one if number in other]


def table(cases: list, rows: list[dict]) -> str:
    lines = ["| command | n | min s | median s | max s | ratio | peak MB | mean accuracy |", "| --- " * 8 + "|"]
    notes = []
    for case in cases:
        own = measured(rows, case.name)
        seconds = sorted(own.values())
        accuracies = measured(rows, case.name, "test_accuracy").values()
        ratios = [f"{median(rounds):.2f} x {label}" for other, label in case.versus
                  if (rounds := both(own, measured(rows, other), lambda ours, theirs: ours / theirs))]
        lines.append(f"| {case.name} | {len(seconds)} | {seconds[0]:.2f} | {median(seconds):.2f} "
                     f"| {seconds[-1]:.2f} | {', '.join(ratios)} "
                     f"| {median(measured(rows, case.name, 'peak_rss_mb').values()):.0f} "
                     f"| {f'{mean(accuracies):.4f}' if accuracies else ''} |")
        if first := sorted(measured(rows, case.name, "first_row_seconds").values()):
            notes.append(f"- {case.name}: the first step, trained and scored, is in accuracy.csv after "
                         f"{median(first):.2f} s ({first[0]:.2f}-{first[-1]:.2f})")
        left = case.images - int(case.job[-1]) if case.images else 0
        steps = both(own, measured(rows, f"{case.name}, one step"), lambda whole, short: left / max(whole - short, 1e-9))
        if case.images:
            less = f", {median(steps):,.0f} images/s without start-up, reading and final score (a job of one step)" if steps else ""
            notes.append(f"- {case.name}: {case.images / median(seconds):,.0f} images/s over the whole process{less}")
    return "\n".join([*lines, *([""] if notes else []), *notes])


def machine(options) -> list[str]:
    """Hardware, versions and date as Markdown lines."""
    # macOS has no /proc/cpuinfo.
    lines = output_of("sh", "-c", "cat /proc/cpuinfo || sysctl -n machdep.cpu.brand_string | sed 's/^/model name:/'").splitlines()
    cpu = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = [flag for flag in FLAGS if flag in (cpu.get("flags") or cpu.get("Features", "")).split()]
    return [
        f"- CPU: {cpu.get('model name', platform.machine())} (family {cpu.get('cpu family', '?')}, model {cpu.get('model', '?')}),"
        f" {len(usable_cores())} cores usable ({' '.join(flags) or 'flags unknown'})",
        f"- system: {platform.system()} {platform.release()} {platform.machine()}",
        f"- mnist-tch: commit {output_of('git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty')}, {output_of('rustc', '--version')}",
        f"- PyTorch {output_of(options.python, '-c', 'import torch; print(torch.__version__)')}, {output_of(options.python, '--version')}",
        f"- {datetime.date.today()}, whole processes, alternating, n = {options.runs} each unless the table says otherwise;"
        " ratios are medians of the ratios within a round; peak MB is the resident memory of the largest process",
    ]


def output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"unknown ({command[0]} failed)"
