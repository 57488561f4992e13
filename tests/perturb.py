"""Run the whole strict suite under conditions that must not matter, and print a table of how it went.

    python tests/perturb.py                              # every condition, in five runs: an hour on two cores
    python tests/perturb.py "1 thread" "other seeds"     # these conditions, each alone: which one is to blame?
    python tests/perturb.py --python PATH nothing        # with another interpreter that has the requirements

Each run has a fresh clone of what is committed. A test that fails here is a false alarm: mend the test, or the output
that it compares, so that it says only what holds everywhere. With other seeds the notebooks are executed, and their
outputs are not compared: every assertion must hold.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from notebook_io import failed_tests

ROOT = Path(__file__).resolve().parent.parent
# Root may write everywhere, unless it gives up that capability.
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


class Condition(NamedTuple):
    """What is different: variables of the environment, what Python runs, where and how the clone is."""

    environment: Mapping[str, str] = MappingProxyType({})
    command: tuple[str, ...] = ("-m", "pytest", "-q")
    folder: str = "clone"
    from_elsewhere: bool = False
    read_only: bool = False

    def __or__(self, other: "Condition") -> "Condition":
        """Both conditions at once; they must not contradict each other."""
        merged = [b if b != default else a for a, b, default in zip(self, other, Condition())]
        return Condition(self.environment | other.environment, *merged[1:])


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
    "two processes": Condition(command=("-m", "pytest", "-q", "-n", "2", "--dist", "loadfile")),
    "other seeds": Condition({"SEED_OFFSET": "1000"}, command=("tools/run_notebooks.py",)),
}

# Conditions that have nothing to do with each other share a run.
RUNS = [
    ("1 thread", "plain kernels", "hash seed", "spaces, umlauts"),
    ("two processes",),
    ("2 threads", "AVX2 kernels", "oneDNN: SSE 4.1", "time zone", "C locale"),
    ("4 threads", "oneDNN: AVX2", "another folder", "read-only"),
    ("other seeds",),
]


def main() -> int:
    """Run the suite under the conditions named on the command line, or all; return 1 if it failed under one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conditions", nargs="*", help=f"of these: {', '.join(CONDITIONS)}")
    parser.add_argument("--python", default=sys.executable, help="the interpreter (default: this one)")
    options = parser.parse_args()
    if unknown := set(options.conditions) - set(CONDITIONS):
        parser.error(f"no condition named {', '.join(sorted(unknown))}; there are {', '.join(CONDITIONS)}")
    runs = [(name,) for name in options.conditions] or RUNS
    green = sum([_run(names, options.python) for names in runs])  # a list: all of them run
    print(f"\n{len(runs)} runs, {green} green")
    return 0 if green == len(runs) else 1


def _run(names: tuple[str, ...], python: str) -> bool:
    """Run once, print a line and the tests that failed, and return whether none did."""
    condition = reduce(Condition.__or__, (CONDITIONS[name] for name in names))
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / condition.folder
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        environment = {**os.environ, "PYTHONPATH": str(clone), **condition.environment}
        command = [python, *condition.command, *([str(clone)] if condition.from_elsewhere else [])]
        if condition.read_only:
            unpack = "from helpers import unpack_mnist; unpack_mnist()"
            subprocess.run([python, "-c", unpack], cwd=clone, env=environment, check=True)
            _set_modes(clone, folders=0o555, files=0o444)
            command = [*UNPRIVILEGED, *command, "-p", "no:cacheprovider"]
        start = time.perf_counter()
        options = {"env": environment, "capture_output": True, "encoding": "utf-8"}
        result = subprocess.run(command, cwd=folder if condition.from_elsewhere else clone, **options)
        seconds = time.perf_counter() - start
        if condition.read_only:
            _set_modes(clone, folders=0o755, files=0o644)  # to be removed
    lines = (result.stdout + result.stderr).strip().splitlines() or [""]
    failed = [*failed_tests(result.stdout), *(line for line in lines if "  FAILED  " in line)]
    state = "RED" if result.returncode else "green"
    print(f"{' + '.join(names):65} {state:5} {seconds:5.0f} s  {lines[-1]}", *failed, sep="\n    ", flush=True)
    return result.returncode == 0


def _set_modes(clone: Path, *, folders: int, files: int) -> None:
    for path in [clone, *clone.rglob("*")]:
        path.chmod(folders if path.is_dir() else files)


if __name__ == "__main__":
    sys.exit(main())
