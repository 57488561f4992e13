"""Run the whole strict suite under conditions that must not matter, and print a table of how it went.

    python tests/perturb.py                        # under all conditions: some hours on two cores
    python tests/perturb.py "1 thread" umlauts     # under those whose names contain one of these texts
    python tests/perturb.py --python PATH "as it is"  # with another interpreter, which has the requirements installed

Each condition has a fresh clone of what is committed. A test that fails here is a false alarm: mend the test, or the
output that it compares, so that it says only what holds everywhere.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
INHERITED = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
# Root may write everywhere, unless it gives up that capability.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


class Condition(NamedTuple):
    """A way to run the suite: variables of the environment, pytest's arguments, and where and how the clone is."""

    name: str
    environment: Mapping[str, str] = MappingProxyType({})
    arguments: tuple[str, ...] = ()
    folder: str = "clone"
    from_elsewhere: bool = False
    read_only: bool = False


CONDITIONS = [
    Condition("as it is"),
    Condition("1 thread", {"OMP_NUM_THREADS": "1"}),
    Condition("2 threads", {"OMP_NUM_THREADS": "2"}),
    Condition("4 threads", {"OMP_NUM_THREADS": "4"}),
    Condition("PyTorch's plain kernels", {"ATEN_CPU_CAPABILITY": "default"}),
    Condition("PyTorch's AVX2 kernels", {"ATEN_CPU_CAPABILITY": "avx2"}),
    Condition("oneDNN limited to AVX2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    Condition("oneDNN limited to SSE 4.1", {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    Condition("another hash seed", {"PYTHONHASHSEED": "4711"}),
    Condition("another time zone, plain C locale", {"TZ": "Pacific/Kiritimati", "LC_ALL": "C"}),
    Condition("started in another folder", from_elsewhere=True),
    Condition("under a path with spaces and umlauts", folder="a clone für Ångström"),
    Condition("files that may only be read", read_only=True),
    Condition("two processes, a file each", arguments=("-n", "2", "--dist", "loadfile")),
]


class Outcome(NamedTuple):
    """How the suite ended: pytest's last line, the tests that failed, and the seconds that it took."""

    condition: Condition
    passed: bool
    summary: str
    failed: list[str]
    seconds: float


def main() -> int:
    """Run the suite under the conditions named on the command line, or all; return 1 if it failed under one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="texts in the names of the conditions (default: all)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter (default: this one)")
    options = parser.parse_args()
    chosen = [c for c in CONDITIONS if not options.names or any(name in c.name for name in options.names)]
    if not chosen:
        parser.error(f"no such condition; there are: {', '.join(condition.name for condition in CONDITIONS)}")
    print(_versions(options.python), flush=True)
    outcomes = []
    for condition in chosen:
        outcomes.append(_run(condition, options.python))
        print(_line(outcomes[-1]), *(f"    {test}" for test in outcomes[-1].failed), sep="\n", flush=True)
    green = sum(outcome.passed for outcome in outcomes)
    print(f"\n{len(outcomes)} conditions, {green} green")
    return 0 if green == len(outcomes) else 1


def _versions(python: str) -> str:
    code = "import platform, torch; print('Python', platform.python_version(), 'PyTorch', torch.__version__)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _run(condition: Condition, python: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / condition.folder
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        environment = {**INHERITED, "PYTHONPATH": str(clone), **condition.environment}
        command = [python, "-m", "pytest", "-q", *condition.arguments]
        if condition.read_only:
            _protect(clone, python, environment)
            command = [*(UNPRIVILEGED if os.geteuid() == 0 else []), *command, "-p", "no:cacheprovider"]
        command += [str(clone)] if condition.from_elsewhere else []
        start = time.perf_counter()
        result = subprocess.run(
            command,
            cwd=folder if condition.from_elsewhere else clone,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        seconds = time.perf_counter() - start
        if condition.read_only:
            _set_modes(clone, writable=True)  # to be removed
    lines = result.stdout.strip().splitlines() or result.stderr.strip().splitlines() or [""]
    failed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", result.stdout, flags=re.MULTILINE)
    return Outcome(condition, result.returncode == 0, lines[-1], failed, seconds)


def _protect(clone: Path, python: str, environment: Mapping[str, str]) -> None:
    """Unpack the data, for which one must write, then forbid it."""
    subprocess.run([python, "-c", "from helpers import ensure_mnist; ensure_mnist()"], env=environment, check=True)
    _set_modes(clone, writable=False)


def _set_modes(clone: Path, *, writable: bool) -> None:
    for path in [clone, *clone.rglob("*")]:
        if not path.is_symlink():
            path.chmod((0o755 if path.is_dir() else 0o644) if writable else (0o555 if path.is_dir() else 0o444))


def _line(outcome: Outcome) -> str:
    state = "green" if outcome.passed else "RED"
    return f"{outcome.condition.name:40} {state:5} {outcome.seconds:5.0f} s  {outcome.summary}"


if __name__ == "__main__":
    sys.exit(main())
