#!/usr/bin/env python3
"""The timing driver of scripts/bench.sh: mnist-tch and its PyTorch twin as whole processes, in alternation.

Each scenario has a list of cases. They run one after the other, round after round (A B C A B C ...), so that a
slower minute of the machine meets all of them. Prints Markdown tables on stdout; every single run goes to
OUT/SCENARIO.csv as it is measured. Ratios are medians of the ratios within one round.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from statistics import median

from processes import Failed, TimedOut, busy_cores, run_all, usable_cores
from report import Measurements, machine, table

ARTICLE = ["--epochs", "5"]
# PyTorch's forms, see pytorch.py. "ported" differs from "tuned" only in how it scores while it trains.
TUNED, PORTED, DIRECT = "PyTorch tuned", "PyTorch ported", "PyTorch direct"
ONE_STEP = ["--train-range", "0..100", "--test-range", "0..100", "--epochs", "1"]
SCENARIOS = {
    "article": "The article job: 5 epochs of 5,000 images, accuracy on 5,000 images after each of 250 steps",
    "train-only": "The article job's training alone: scored once, at the very end (--eval-every 0)",
    "start": "A job of one step: 100 images to train on, 100 to score",
    "loaded": "The article job with a competing busy process pinned to each core",
    "copies": "Two copies of the article job at once, until both are done",
    "epoch": "One epoch of 60,000 images, scored once, at the very end (--eval-every 0)",
}


class Case:
    """One command of a scenario: what runs, how often, under what, and what it is compared with."""

    def __init__(self, who, job, rows, *, name="", copies=1, loaded=False, runs=None, versus=(), images=0):
        self.who, self.job, self.rows = who, job, rows  # rows: what accuracy.csv must hold in the end
        self.name = f"{who}{', ' + name if name else ''}"
        self.copies, self.loaded, self.runs = copies, loaded, runs
        self.versus = versus  # pairs: name of another case, how the table calls it
        self.images = images


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--program", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--data-dir", type=Path, help="folder with MNIST's four IDX files, for the scenario epoch")
    parser.add_argument("-n", type=int, default=5, dest="runs", help="runs of each command (default 5)")
    parser.add_argument("--slow-runs", type=int, default=1, metavar="N",
                        help="runs of the direct and tuned forms in loaded and copies, where they take minutes (default 1; 0: none)")
    parser.add_argument("--timeout", type=float, default=1800, metavar="S",
                        help="end a run after S seconds; its command is then left out (default 1800)")
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)} (default: all; epoch with --data-dir)")
    options = parser.parse_args()
    unknown = [name for name in options.scenario if name not in SCENARIOS]
    if unknown:
        parser.error(f"unknown scenario '{unknown[0]}': choose from {', '.join(SCENARIOS)}")
    if options.runs < 1:
        parser.error("-n must be 1 or more")
    if "epoch" in options.scenario and not options.data_dir:
        parser.error("the scenario epoch needs --data-dir FOLDER with MNIST's four IDX files")
    if not options.scenario:
        options.scenario = [name for name in SCENARIOS if name != "epoch" or options.data_dir]
    return options


def plain_cases(job: list[str], rows: int, name: str = "", images: int = 0, forms=(TUNED, DIRECT)) -> list[Case]:
    ours = f"mnist-tch{', ' + name if name else ''}"
    return [Case(who, job, rows, name=name, images=images, versus=[] if who == "mnist-tch" else [(ours, "mnist-tch")])
            for who in ("mnist-tch", *forms)]


def pressed_cases(name: str, slow_runs: int, **condition) -> list[Case]:
    """Each job alone and next to it under the condition."""
    cases = []
    for who in ("mnist-tch", PORTED, TUNED, DIRECT):
        runs = slow_runs if who in (TUNED, DIRECT) else None
        versus = [(who, "alone")] + ([(f"mnist-tch, {name}", "mnist-tch")] if who != "mnist-tch" else [])
        cases += [Case(who, ARTICLE, 250, runs=runs),
                  Case(who, ARTICLE, 250, runs=runs, name=name, versus=versus, **condition)]
    return [case for case in cases if case.runs != 0]


def cases_of(scenario: str, options: argparse.Namespace) -> list[Case]:
    if scenario == "article":
        return plain_cases(ARTICLE, 250, forms=(PORTED, TUNED, DIRECT))
    if scenario == "train-only":
        return plain_cases([*ARTICLE, "--eval-every", "0"], 1)
    if scenario == "start":
        return [*plain_cases(ONE_STEP, 1), Case("import torch", None, 0, versus=[("mnist-tch", "mnist-tch")])]
    if scenario == "loaded":
        return pressed_cases("loaded", options.slow_runs, loaded=True)
    if scenario == "copies":
        return pressed_cases("two at once", options.slow_runs, copies=2)
    cases = []
    for batch in (100, 1000):
        job = ["--data-dir", str(options.data_dir.resolve()), "--epochs", "1", "--eval-every", "0", "--batch-size", str(batch)]
        # The job of one step costs the same start, reading and final score: what is left is 60,000 - BATCH images.
        cases += plain_cases([*job, "--train-range", f"0..{batch}"], 1, f"batch {batch}, one step")
        cases += plain_cases(job, 1, f"batch {batch}", images=60_000)
    return cases


def command(case: Case, options: argparse.Namespace, out: Path) -> list[str]:
    twin = str(Path(__file__).resolve().with_name("pytorch.py"))
    start = {
        "mnist-tch": [str(options.program), "--device", "cpu", "--quiet", "--force"],
        **{form: [options.python, twin, "--form", form.split()[-1]] for form in (PORTED, TUNED, DIRECT)},
        "import torch": [options.python, "-c", "import torch"],
    }[case.who]
    return start if case.job is None else [*start, *case.job, "--out", str(out)]


def accuracy_of(case: Case, out: Path) -> float:
    """The last accuracy of a run, once it is sure that the run wrote all the rows it should."""
    path = out / "accuracy.csv"
    rows = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    if len(rows) != case.rows:
        raise Failed(f"{case.name}: {path} has {len(rows)} rows, not {case.rows}: the job was not the same")
    return float(rows[-1].split(",")[4])


def measure(case: Case, options: argparse.Namespace) -> dict:
    """One run (of all its copies) as a row of the raw numbers."""
    outs = [options.out / "runs" / f"{case.name.replace(', ', '-').replace(' ', '_')}-{copy}" for copy in range(case.copies)]
    for out in outs:
        (out / "accuracy.csv").unlink(missing_ok=True)
    with busy_cores(usable_cores() if case.loaded else []):
        watched = outs[0] / "accuracy.csv" if case.job == ONE_STEP else None
        usage = run_all([command(case, options, out) for out in outs], options.timeout, watched)
    usage["test_accuracy"] = accuracy_of(case, outs[0]) if case.rows else ""
    return usage


def run_scenario(scenario: str, options: argparse.Namespace) -> None:
    cases = cases_of(scenario, options)
    with Measurements(options.out / f"{scenario.replace('-', '_')}.csv") as measurements:
        for round_number in range(1, options.runs + 1):
            for case in cases:
                if case.name in measurements.timed_out or round_number > (case.runs or options.runs):
                    continue
                try:
                    usage = measure(case, options)
                except TimedOut:
                    measurements.timed_out[case.name] = options.timeout
                    print(f"{scenario} {round_number}/{options.runs} {case.name}: not done after {options.timeout:g} s", file=sys.stderr)
                    continue
                measurements.add(case.name, round_number, usage)
                print(f"{scenario} {round_number}/{options.runs} {case.name}: {usage['seconds']:.2f} s", file=sys.stderr)
    print(f"\n**{SCENARIOS[scenario]}**\n\n{table(cases, measurements)}")
    for line in [*first_rows(cases, measurements), *rates(cases, measurements)]:
        print(line)
    sys.stdout.flush()


def first_rows(cases: list[Case], measurements) -> list[str]:
    """From the start of the process to the first step in accuracy.csv, where that was watched."""
    lines = []
    for case in cases:
        seconds = sorted(measurements.seconds(case.name, "first_row_seconds").values())
        if seconds:
            lines.append(f"- {case.name}: the first step, trained and scored, is in accuracy.csv after "
                         f"{median(seconds):.2f} s ({seconds[0]:.2f}-{seconds[-1]:.2f})")
    return ["", *lines] if lines else []


def rates(cases: list[Case], measurements) -> list[str]:
    """Images per second, of the whole process and of the steps alone."""
    lines = []
    for case in cases:
        whole, short = measurements.seconds(case.name), measurements.seconds(f"{case.name}, one step")
        both = [number for number in whole if number in short]
        if not case.images or not both:
            continue
        batch = int(case.job[-1])
        steps = [(case.images - batch) / max(whole[number] - short[number], 1e-9) for number in both]
        lines.append(f"- {case.name}: {case.images / median(whole.values()):,.0f} images/s over the whole process, "
                     f"{median(steps):,.0f} images/s less the time of a one-step job")
    return ["", *lines] if lines else []


def main() -> None:
    options = parse()
    if options.check:  # the options are fine: that is all bench.sh asks before it builds
        return
    # An end from outside is handled as Ctrl-C is: whatever was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.out.mkdir(parents=True, exist_ok=True)
    print("\n".join(machine(options)))
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"note: the load average is {load:.1f}: other work runs here, the timings will be rough", file=sys.stderr)
    for scenario in options.scenario:
        run_scenario(scenario, options)


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
