"""Run the whole strict suite under conditions that must not matter, and print a table of how it went.

    python tests/perturb.py                           # every condition, in four runs: an hour on two cores
    python tests/perturb.py "1 thread" "SSE 4.1"      # the conditions named so, each alone: which one is to blame?
    python tests/perturb.py --python PATH nothing     # with another interpreter, which has the requirements installed

Each run has a fresh clone of what is committed. A test that fails here is a false alarm: mend the test, or the output
that it compares, so that it says only what holds everywhere.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from reading import failed_tests

ROOT = Path(__file__).resolve().parent.parent
INHERITED = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
# Root may write everywhere, unless it gives up that capability.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


class Condition(NamedTuple):
    """What is different: variables of the environment, pytest's arguments, where and how the clone is."""

    environment: Mapping[str, str] = MappingProxyType({})
    arguments: tuple[str, ...] = ()
    folder: str = "clone"
    from_elsewhere: bool = False
    read_only: bool = False


CONDITIONS = {
    "nothing": Condition(),
    "1 thread": Condition({"OMP_NUM_THREADS": "1"}),
    "2 threads": Condition({"OMP_NUM_THREADS": "2"}),
    "4 threads": Condition({"OMP_NUM_THREADS": "4"}),
    "plain kernels": Condition({"ATEN_CPU_CAPABILITY": "default"}),
    "AVX2 kernels": Condition({"ATEN_CPU_CAPABILITY": "avx2"}),
    "oneDNN: AVX2": Condition({"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "oneDNN: SSE 4.1": Condition({"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "hash seed": Condition({"PYTHONHASHSEED": "4711"}),
    "time zone": Condition({"TZ": "Pacific/Kiritimati"}),
    "C locale": Condition({"LC_ALL": "C"}),
    "another folder": Condition(from_elsewhere=True),
    "spaces, umlauts": Condition(folder="a clone für Ångström"),
    "read-only": Condition(read_only=True),
    "two processes": Condition(arguments=("-n", "2", "--dist", "loadfile")),  # a file each
}

# Conditions that have nothing to do with each other share a run.
RUNS = [
    ("1 thread", "plain kernels", "hash seed", "spaces, umlauts"),
    ("two processes",),
    ("2 threads", "AVX2 kernels", "oneDNN: SSE 4.1", "time zone", "C locale"),
    ("4 threads", "oneDNN: AVX2", "another folder", "read-only"),
]


class Outcome(NamedTuple):
    """How a run ended: pytest's last line, the tests that failed, and the seconds that it took."""

    names: tuple[str, ...]
    passed: bool
    summary: str
    failed: list[str]
    seconds: float


def main() -> int:
    """Run the suite under the conditions named on the command line, or all; return 1 if it failed under one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conditions", nargs="*", help=f"of these: {', '.join(CONDITIONS)}")
    parser.add_argument("--python", default=sys.executable, help="the interpreter (default: this one)")
    options = parser.parse_args()
    if unknown := set(options.conditions) - set(CONDITIONS):
        parser.error(f"no condition named {', '.join(sorted(unknown))}; there are {', '.join(CONDITIONS)}")
    assert set().union(*RUNS) == set(CONDITIONS) - {"nothing"}
    outcomes = []
    print(_versions(options.python), flush=True)
    for names in [(name,) for name in options.conditions] or RUNS:
        outcomes.append(_run(names, options.python))
        print(_line(outcomes[-1]), *(f"    {test}" for test in outcomes[-1].failed), sep="\n", flush=True)
    green = sum(outcome.passed for outcome in outcomes)
    print(f"\n{len(outcomes)} runs, {green} green")
    return 0 if green == len(outcomes) else 1


def _versions(python: str) -> str:
    code = "import platform, torch; print('Python', platform.python_version(), 'PyTorch', torch.__version__)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _combined(names: tuple[str, ...]) -> Condition:
    conditions = [CONDITIONS[name] for name in names]
    return Condition(
        {variable: value for condition in conditions for variable, value in condition.environment.items()},
        sum((condition.arguments for condition in conditions), ()),
        next((condition.folder for condition in conditions if condition.folder != "clone"), "clone"),
        any(condition.from_elsewhere for condition in conditions),
        any(condition.read_only for condition in conditions),
    )


def _run(names: tuple[str, ...], python: str) -> Outcome:
    condition = _combined(names)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / condition.folder
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        environment = {**INHERITED, "PYTHONPATH": str(clone), **condition.environment}
        command = [python, "-m", "pytest", "-q", *condition.arguments]
        command += [str(clone)] if condition.from_elsewhere else []
        if condition.read_only:
            _protect(clone, python, environment)
            command = [*(UNPRIVILEGED if os.geteuid() == 0 else []), *command, "-p", "no:cacheprovider"]
        options = {"env": environment, "capture_output": True, "encoding": "utf-8"}
        start = time.perf_counter()
        result = subprocess.run(command, cwd=folder if condition.from_elsewhere else clone, **options)
        seconds = time.perf_counter() - start
        if condition.read_only:
            _set_modes(clone, folders=0o755, files=0o644)  # to be removed
    lines = result.stdout.strip().splitlines() or result.stderr.strip().splitlines() or [""]
    return Outcome(names, result.returncode == 0, lines[-1], list(failed_tests(result.stdout)), seconds)


def _protect(clone: Path, python: str, environment: Mapping[str, str]) -> None:
    """Unpack the data, for which one must write, then forbid it."""
    unpack = "from helpers import ensure_mnist; ensure_mnist()"
    subprocess.run([python, "-c", unpack], cwd=clone, env=environment, check=True)
    _set_modes(clone, folders=0o555, files=0o444)


def _set_modes(clone: Path, *, folders: int, files: int) -> None:
    for path in [clone, *clone.rglob("*")]:
        path.chmod(folders if path.is_dir() else files)


def _line(outcome: Outcome) -> str:
    state = "green" if outcome.passed else "RED"
    return f"{' + '.join(outcome.names):65} {state:5} {outcome.seconds:5.0f} s  {outcome.summary}"


if __name__ == "__main__":
    sys.exit(main())
