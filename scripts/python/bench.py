#!/usr/bin/env python3
"""Times mnist-tch against PyTorch on the same jobs: whole processes, alternating.

The cases of a scenario run round after round (A B C A B C ...), so that a slow minute affects all of them.
Prints tables; every run goes to target/bench/SCENARIO.csv at once. A ratio is the median of the ratios within each round.
"""

import argparse
import csv
import itertools
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from processes import Failed, busy_cores, run_all, usable_cores
from report import machine, table

ARTICLE = ["--epochs", "5"]
ONE_STEP = ["--train-range", "0..100", "--test-range", "0..100", "--epochs", "1"]
# PyTorch's forms, see pytorch.py. "ported" differs from "tuned" only in how it scores while it trains.
OURS, TUNED, PORTED, DIRECT, EXAMPLE = "mnist-tch", "PyTorch tuned", "PyTorch ported", "PyTorch direct", "PyTorch example"
# The README's 99 % recipe. Both jobs use the fewest epochs whose mean over five seeds reaches 99.0 %.
RECIPE = "--channels 16,32,64 --shuffle --augment 1 --init kaiming --lr 0.006 --lr-final 0 --eval-every 0".split()


@dataclass
class Case:
    """One command of a scenario: what runs, how often, under which load, and what it is compared with."""

    who: str
    job: list[str] | None
    rows: int  # rows that accuracy.csv must have in the end
    condition: str = ""
    copies: int = 1
    loaded: bool = False
    runs: int | None = None
    versus: tuple = ()  # pairs: name of another case, its label in the table
    images: int = 0

    @property
    def name(self) -> str:
        return f"{self.who}, {self.condition}" if self.condition else self.who


def parse() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<11} {title}" for name, (title, _) in SCENARIOS.items())
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=f"{__doc__}\nscenarios:\n{listed}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in "--program", "--out", "--python":  # set by scripts/bench.sh; without them the options are only checked
        parser.add_argument(option, help=argparse.SUPPRESS)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="MNIST's four IDX files, raw or .gz, for epoch, wide and to-99")
    parser.add_argument("-n", type=int, default=5, dest="runs", metavar="N", help="runs of each command (default 5)")
    parser.add_argument("scenario", nargs="*", help="default: all; epoch, wide and to-99 only with --data-dir")
    options = parser.parse_args()
    for name in options.scenario:
        if name not in SCENARIOS:
            parser.error(f"unknown scenario '{name}': choose from {', '.join(SCENARIOS)}")
        if name in WHOLE and not options.data_dir:
            parser.error(f"the scenario {name} needs --data-dir FOLDER with MNIST's four IDX files")
    if options.runs < 1:
        parser.error("-n must be 1 or more")
    options.scenario = options.scenario or [name for name in SCENARIOS if name not in WHOLE or options.data_dir]
    return options


def plain_cases(job: list[str], rows: int, condition: str = "", images: int = 0, forms=(TUNED, DIRECT)) -> list[Case]:
    ours = Case(OURS, job, rows, condition, images=images)
    return [ours, *(Case(form, job, rows, condition, images=images, versus=((ours.name, OURS),)) for form in forms)]


def pressed_cases(condition: str, **how) -> list[Case]:
    """Each job alone, then under the condition."""
    cases = []
    for who in (OURS, PORTED, TUNED, DIRECT):
        runs = 1 if who in (TUNED, DIRECT) else None  # these take minutes
        versus = ((who, "alone"), (f"{OURS}, {condition}", OURS))[: 1 if who == OURS else 2]
        cases += [Case(who, ARTICLE, 250, runs=runs), Case(who, ARTICLE, 250, condition, runs=runs, versus=versus, **how)]
    return cases


def epoch_cases(whole: list[str]) -> list[Case]:
    cases = []
    for batch in ("100", "1000"):
        job = [*whole, "--epochs", "1", "--eval-every", "0", "--batch-size", batch]
        # A job of one step has the same start-up, reading and final score: the difference is 60,000 - BATCH images.
        cases += plain_cases([*job, "--train-range", f"0..{batch}"], 1, f"batch {batch}, one step")
        cases += plain_cases(job, 1, f"batch {batch}", images=60_000)
    return cases


def wide_cases(whole: list[str]) -> list[Case]:
    cases = []
    for channels, batch in itertools.product(("16,32,32", "32,64,64"), (100, 250)):
        job = [*whole, "--channels", channels, "--epochs", "1", "--train-range", "0..20000",
               "--eval-every", str(5_000 // batch), "--batch-size", str(batch)]
        cases += plain_cases(job, 4, f"{channels}, batch {batch}", images=60_000)
    return cases


def recipe_cases(whole: list[str]) -> list[Case]:
    job = [*whole, *RECIPE, "--epochs", "2"]
    versus = ((OURS, OURS),)
    return [Case(OURS, job, 1), Case(DIRECT, job, 1, versus=versus),
            Case(EXAMPLE, [*whole, "--epochs", "4", "--eval-every", "0"], 1, runs=1, versus=versus)]  # takes minutes


# Title and cases of each scenario; the cases get the options that name all of MNIST.
SCENARIOS = {
    "article": ("The article job: 5 epochs of 5,000 images, accuracy on 5,000 images after each of 250 steps",
                lambda _: plain_cases(ARTICLE, 250, forms=(PORTED, TUNED, DIRECT))),
    "train-only": ("The article job's training alone: scored once at the end (--eval-every 0)",
                   lambda _: plain_cases([*ARTICLE, "--eval-every", "0"], 1)),
    "start": ("A job of one step: 100 images to train on, 100 to score",
              lambda _: [*plain_cases(ONE_STEP, 1), Case("import torch", None, 0, versus=((OURS, OURS),))]),
    "loaded": ("The article job with a competing busy process pinned to each core",
               lambda _: pressed_cases("loaded", loaded=True)),
    "copies": ("Two copies of the article job at once, until both are done",
               lambda _: pressed_cases("two at once", copies=2)),
    "epoch": ("One epoch of 60,000 images at batch 100 and 1,000, scored once at the end (--eval-every 0)",
              epoch_cases),
    "wide": ("Wider networks: 20,000 images trained on, and four times 10,000 scored",
             wide_cases),
    "to-99": ("Time to 99.0 % of MNIST's 10,000 test images: the fewest epochs whose mean over seeds reaches it",
              recipe_cases),
}
# Scenarios that need all of MNIST.
WHOLE = {"epoch", "wide", "to-99"}


def command(case: Case, options: argparse.Namespace, out: Path, seed: int) -> list[str]:
    if case.job is None:
        return [options.python, "-c", case.who]
    twin = [options.python, "-B", str(Path(__file__).resolve().with_name("pytorch.py")), "--form", case.who.split()[-1]]
    ours = [options.program, "--device", "cpu", "--quiet", "--force"]
    return [*(ours if case.who == OURS else twin), *case.job, "--seed", str(seed), "--out", str(out)]


def measure(case: Case, options: argparse.Namespace, seed: int) -> dict:
    """Runs all copies of a case once and returns the measured row."""
    outs = [Path(options.out, "runs") / f"{case.name.replace(' ', '_')}-{copy}" for copy in range(case.copies)]
    path = outs[0] / "accuracy.csv"
    for out in outs:
        (out / "accuracy.csv").unlink(missing_ok=True)
    with busy_cores(usable_cores() if case.loaded else []):
        usage = run_all([command(case, options, out, seed) for out in outs], path if case.job == ONE_STEP else None)
    rows = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    if len(rows) != case.rows:
        raise Failed(f"{case.name}: {path} has {len(rows)} rows, not {case.rows}: the job was not the same")
    return {**usage, "test_accuracy": float(rows[-1].split(",")[4]) if rows else ""}


def run_scenario(scenario: str, options: argparse.Namespace) -> None:
    title, make = SCENARIOS[scenario]
    cases, rows = make(["--data-dir", str(options.data_dir and options.data_dir.resolve())]), []
    # Line-buffered: every row is written as soon as it is measured.
    with open(Path(options.out, f"{scenario.replace('-', '_')}.csv"), "w", encoding="utf-8", newline="", buffering=1) as file:
        for number in range(1, options.runs + 1):
            for case in (case for case in cases if number <= (case.runs or options.runs)):
                rows.append({"command": case.name, "round": number, **measure(case, options, number)})
                writer = csv.DictWriter(file, rows[0], lineterminator="\n")
                if len(rows) == 1:
                    writer.writeheader()
                writer.writerow({key: f"{value:.4f}" if isinstance(value, float) else value for key, value in rows[-1].items()})
                print(f"{scenario} {number}/{options.runs} {case.name}: {rows[-1]['seconds']:.2f} s", file=sys.stderr)
    print(f"\n**{title}**\n\n{table(cases, rows)}", flush=True)


def main() -> None:
    options = parse()
    if not options.program:
        return
    # SIGTERM unwinds like Ctrl-C, so that the started processes end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    Path(options.out).mkdir(parents=True, exist_ok=True)
    print("\n".join(machine(options)))
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"note: the load average is {load:.1f}: other work is running, the timings will be rough", file=sys.stderr)
    for scenario in options.scenario:
        run_scenario(scenario, options)


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
