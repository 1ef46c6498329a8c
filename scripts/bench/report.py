"""What compare.py writes: the raw numbers as CSV, the tables as Markdown, and what they were measured on."""

import csv
import datetime
import platform
import subprocess
from pathlib import Path
from statistics import median

from processes import usable_cores

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

    def add(self, command: str, number: int, usage: dict) -> None:
        row = {"command": command, "round": number, **usage}
        self.rows.append(row)
        self.writer.writerow({key: f"{value:.4f}" if isinstance(value, float) else value for key, value in row.items()})

    def of(self, command: str, column: str = "seconds") -> dict[int, float]:
        """By round; without the rounds in which this was not measured."""
        return {row["round"]: row[column] for row in self.rows if row["command"] == command and row[column] != ""}


def table(cases: list, measurements: Measurements) -> str:
    lines = ["| command | n | min s | median s | max s | ratio | peak MB |", "| --- | --- | --- | --- | --- | --- | --- |"]
    notes = []
    for case in cases:
        own = measurements.of(case.name)
        seconds = sorted(own.values())
        late = f"not done after {measurements.timed_out[case.name]:g}" if case.name in measurements.timed_out else ""
        if not seconds:
            lines.append(f"| {case.name} | 0 | | {late} | | | |")
            continue
        # The median of the ratios within one round.
        ratios = [f"{median(rounds):.2f} x {label}" for other, label in case.versus
                  if (rounds := both(own, measurements.of(other), lambda ours, theirs: ours / theirs))]
        lines.append(f"| {case.name} | {len(seconds)} | {seconds[0]:.2f} | {median(seconds):.2f} | {late or f'{seconds[-1]:.2f}'} "
                     f"| {', '.join(ratios)} | {median(measurements.of(case.name, 'peak_rss_mb').values()):.0f} |")
        if first := sorted(measurements.of(case.name, "first_row_seconds").values()):
            notes.append(f"- {case.name}: the first step, trained and scored, is in accuracy.csv after "
                         f"{median(first):.2f} s ({first[0]:.2f}-{first[-1]:.2f})")
        left = case.images - int(case.job[-1]) if case.images else 0
        steps = both(own, measurements.of(f"{case.name}, one step"), lambda whole, short: left / max(whole - short, 1e-9))
        if left and steps:
            notes.append(f"- {case.name}: {case.images / median(seconds):,.0f} images/s over the whole process, "
                         f"{median(steps):,.0f} images/s less the time of a one-step job")
    return "\n".join([*lines, *([""] if notes else []), *notes])


def both(one: dict[int, float], other: dict[int, float], combined) -> list[float]:
    """Two measurements, combined for each round that has both."""
    return [combined(one[number], other[number]) for number in one if number in other]


def machine(options) -> list[str]:
    """Hardware, versions and date, as lines of Markdown."""
    model, flags = processor()
    return [
        f"- CPU: {model}, {len(usable_cores())} cores usable ({' '.join(flag for flag in FLAGS if flag in flags) or 'flags unknown'})",
        f"- system: {platform.system()} {platform.release()} {platform.machine()}",
        f"- mnist-tch: commit {said('git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty')}, {said('rustc', '--version')}",
        f"- PyTorch {said(options.python, '-c', 'import torch; print(torch.__version__)')}, {said(options.python, '--version')}",
        f"- {datetime.date.today()}, whole processes in alternation, n = {options.runs} each unless the table says otherwise;"
        " ratios are medians of the ratios within a round; peak MB is the resident memory of the largest process",
    ]


def processor() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return said("sysctl", "-n", "machdep.cpu.brand_string"), set()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    model = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        model += f" (family {fields['cpu family']}, model {fields['model']})"
    return model, set((fields.get("flags") or fields.get("Features", "")).split())


def said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"unknown ({command[0]} does not tell)"
