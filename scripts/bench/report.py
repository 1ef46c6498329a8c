"""What compare.py writes: the raw numbers as CSV, the tables as Markdown, and what they were measured on."""

import csv
import datetime
import os
import platform
import subprocess
from pathlib import Path
from statistics import median

COLUMNS = ["command", "round", "seconds", "first_row_seconds", "user_seconds", "system_seconds", "peak_rss_mb", "test_accuracy"]
FLAGS = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve"]


class Measurements:
    """The runs of one scenario. A row is on the disk as soon as it is measured."""

    def __init__(self, path: Path) -> None:
        self.rows: list[dict] = []
        self.timed_out: dict[str, float] = {}
        self.path = path

    def __enter__(self) -> "Measurements":
        self.file = open(self.path, "w", encoding="utf-8", newline="", buffering=1)
        self.writer = csv.DictWriter(self.file, COLUMNS, lineterminator="\n")
        self.writer.writeheader()
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def add(self, command: str, round_number: int, usage: dict) -> None:
        row = {"command": command, "round": round_number, **usage}
        self.rows.append(row)
        self.writer.writerow({key: f"{value:.4f}" if isinstance(value, float) else value for key, value in row.items()})
        self.file.flush()

    def seconds(self, command: str, column: str = "seconds") -> dict[int, float]:
        """By round; without the rounds in which this was not measured."""
        return {row["round"]: row[column] for row in self.rows if row["command"] == command and row[column] != ""}

    def peak(self, command: str) -> float:
        return median(row["peak_rss_mb"] for row in self.rows if row["command"] == command)


def table(cases: list, measurements: Measurements) -> str:
    lines = ["| command | n | min s | median s | max s | ratio | peak MB |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for case in cases:
        seconds = sorted(measurements.seconds(case.name).values())
        late = measurements.timed_out.get(case.name)
        if not seconds:
            lines.append(f"| {case.name} | 0 | | not done after {late:g} | | | |")
            continue
        longest = f"not done after {late:g}" if late else f"{seconds[-1]:.2f}"
        lines.append(f"| {case.name} | {len(seconds)} | {seconds[0]:.2f} | {median(seconds):.2f} | {longest} "
                     f"| {ratios(case, measurements)} | {measurements.peak(case.name):.0f} |")
    return "\n".join(lines)


def ratios(case, measurements: Measurements) -> str:
    """Against other cases: the median of the ratios within one round."""
    own, parts = measurements.seconds(case.name), []
    for other, label in case.versus:
        base = measurements.seconds(other)
        rounds = [own[number] / base[number] for number in own if number in base]
        if rounds:
            parts.append(f"{median(rounds):.2f} x {label}")
    return ", ".join(parts)


def machine(options) -> list[str]:
    """Hardware, versions and date, as lines of Markdown."""
    model, flags = processor()
    return [
        f"- CPU: {model}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores usable"
        f" ({' '.join(flag for flag in FLAGS if flag in flags) or 'flags unknown'})",
        f"- system: {platform.system()} {platform.release()} {platform.machine()}",
        f"- mnist-tch: commit {said('git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty')}, {said('rustc', '--version')}",
        f"- PyTorch {said(options.python, '-c', 'import torch; print(torch.__version__)')}, {said(options.python, '--version')}",
        f"- {datetime.date.today()}, whole processes in alternation, n = {options.runs} each unless the table says otherwise;"
        " ratios are medians of the ratios within a round; peak MB is the resident memory of the largest process",
    ]


def processor() -> tuple[str, set[str]]:
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    except OSError:
        return said("sysctl", "-n", "machdep.cpu.brand_string"), set()
    names = {key.strip(): value.strip() for key, value in fields.items()}
    model = names.get("model name", platform.machine())
    if "cpu family" in names:
        model += f" (family {names['cpu family']}, model {names['model']})"
    return model, set((names.get("flags") or names.get("Features", "")).split())


def said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"unknown ({command[0]} does not tell)"
