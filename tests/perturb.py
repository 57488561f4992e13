"""Run the strict suite under conditions that must not matter, and print a table of how it went.

    python tests/perturb.py                              # every condition: an hour on two cores
    python tests/perturb.py "plain kernels" "read-only"  # these conditions, each alone: which one is to blame?
    python tests/perturb.py --python PATH nothing        # with another interpreter that has the requirements

Each run has a fresh clone of what is committed. A test that fails here is a false alarm: mend the test, or the output
that it compares, so that it says only what holds everywhere. With other seeds, the outputs of the notebooks are not
compared, but every assertion must hold. What touches only files and processes runs without long notebooks.
"""

import argparse
import os
import shutil
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
NOTEBOOKS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("notebooks/*.ipynb"))
SHORT = ("tests", *(path for path in NOTEBOOKS if Path(path).name[:2] in ("03", "04", "05", "11")))
# Root may write everywhere, unless it gives up that capability.
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
UNPACKED = "\"$PYTHON\" -c 'from helpers import unpack_mnist; unpack_mnist()'"
KERNEL = '"$PYTHON" -m ipykernel install --prefix . --name other 2>&1'
READ_ONLY = "chmod -R a-w . && chmod u+w notebooks"  # there, notebook 6 saves its network
USE_KERNEL = "sed -i s/--nbval-current-env/--nbval-kernel-name=other/ pyproject.toml"


class Condition(NamedTuple):
    """What is different."""

    environment: Mapping[str, str] = MappingProxyType({})
    starter: tuple[str, ...] = ()  # a program that starts Python, with its arguments
    options: tuple[str, ...] = ()  # of pytest
    paths: tuple[str, ...] = ()  # that pytest is given
    processes: int = 2  # as in make test; 0: pytest alone, with as many threads as cores
    folder: str = "clone"
    from_elsewhere: bool = False
    depth: int | None = None  # of the clone's history
    umask: int = -1
    prepare: str = ""  # commands for a shell in the clone

    def __or__(self, other: "Condition") -> "Condition":
        """Both conditions at once; they must not contradict each other."""
        first = self.environment | other.environment, self.starter + other.starter, self.options + other.options
        rest = [b if b != default else a for a, b, default in zip(self, other, Condition())]
        return Condition(*first, *rest[3:])


CONDITIONS = {
    "nothing": Condition(),
    "one process": Condition(processes=0),
    "4 threads": Condition({"OMP_NUM_THREADS": "4"}, processes=0),
    "one core": Condition(starter=("taskset", "-c", "0"), paths=SHORT, processes=0),
    "plain kernels": Condition({"ATEN_CPU_CAPABILITY": "default"}),
    "AVX2 kernels": Condition({"ATEN_CPU_CAPABILITY": "avx2"}),
    "oneDNN: AVX2": Condition({"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "oneDNN: SSE 4.1": Condition({"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "MKL: compatible": Condition({"MKL_CBWR": "COMPATIBLE"}),
    "hash seed": Condition({"PYTHONHASHSEED": "4711"}),
    "time zone": Condition({"TZ": "Pacific/Kiritimati"}),
    "C locale": Condition({"LC_ALL": "C"}),
    "no HOME": Condition(starter=("env", "-u", "HOME"), paths=SHORT),
    "umask 077": Condition(paths=SHORT, umask=0o077),
    "shallow clone": Condition(paths=SHORT, depth=1),
    "another kernel": Condition({"JUPYTER_PATH": "share/jupyter"}, paths=SHORT, prepare=f"{KERNEL} && {USE_KERNEL}"),
    "another folder": Condition(from_elsewhere=True),
    "spaces, umlauts": Condition(folder="a clone für Ångström"),
    "read-only": Condition({}, UNPRIVILEGED, ("-p", "no:cacheprovider"), prepare=f"{UNPACKED} && {READ_ONLY}"),
    "reverse order": Condition(paths=(*reversed(NOTEBOOKS), "tests")),
    "second device": Condition({"TORCH_DEVICE": "gpu:0"}, options=("-m", "device")),
}
SEEDS = [f"seeds + {offset}" for offset in range(1000, 6000, 1000)]
for name in SEEDS:
    CONDITIONS[name] = Condition({"SEED_OFFSET": name[8:]}, options=("--nbval-lax",), paths=("notebooks",))

# Conditions that have nothing to do with each other share a run.
RUNS = [
    ("plain kernels", "oneDNN: SSE 4.1", "MKL: compatible", "hash seed", "spaces, umlauts", "reverse order"),
    ("4 threads", "AVX2 kernels", "oneDNN: AVX2", "time zone", "C locale", "another folder", "read-only"),
    ("one core", "no HOME", "umask 077", "shallow clone", "another kernel"),
    ("second device",),
    *((name,) for name in SEEDS),
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
    if absent := [name for name in names if not all(map(shutil.which, CONDITIONS[name].starter[:1]))]:
        print(f"left out, because this machine lacks a program: {', '.join(absent)}")
    if not (names := [name for name in names if name not in absent]):
        return True
    condition = reduce(Condition.__or__, (CONDITIONS[name] for name in names))
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / condition.folder
        depth = ["--depth", str(condition.depth)] if condition.depth else []
        subprocess.run(["git", "clone", "--quiet", *depth, ROOT.as_uri(), clone], umask=condition.umask, check=True)
        environment = {**os.environ, "PYTHONPATH": str(clone), "PYTHON": python, **condition.environment}
        options = {"env": environment, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        subprocess.run(["sh", "-c", condition.prepare], cwd=clone, check=True, **options)
        paths = [str(clone)] if condition.from_elsewhere else condition.paths
        command = [*condition.starter, python, "-m", "pytest", "-q", "-n", str(condition.processes)]
        command += ["--dist", "loadfile", "-m", "not browser", *condition.options, *paths]
        options |= {"stderr": subprocess.STDOUT, "umask": condition.umask}
        start = time.perf_counter()
        result = subprocess.run(command, cwd=folder if condition.from_elsewhere else clone, **options)
        seconds = time.perf_counter() - start
        subprocess.run(["chmod", "-R", "u+w", clone], check=True)  # to be removed
    state, last = "RED" if result.returncode else "green", (result.stdout.strip().splitlines() or [""])[-1]
    line = f"{' + '.join(names):65} {state:5} {seconds:5.0f} s  {last}"
    print(line, *failed_tests(result.stdout), sep="\n    ", flush=True)
    return result.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
