"""Execute the notebooks that a change may touch, store their outputs, and show what became different."""

import subprocess
import sys
from pathlib import Path, PurePosixPath

import nbformat

import run_notebooks
from run_notebooks import NOTEBOOKS, ROOT

USED_BY_ALL = ("helpers/", "data/", "requirements.txt")


def main() -> int:
    """Refresh what changed since the last commit; return 1 if a notebook failed."""
    notebooks = touched_by(_changed_since_last_commit())
    if not notebooks:
        print("No notebook, nor a file that one reads, changed since the last commit: nothing to refresh.")
        return 0
    code = run_notebooks.main(["--in-place", *map(str, notebooks)])
    for notebook in notebooks:
        command = ["nbdime", "diff", "--ignore-metadata", "--ignore-details", "HEAD", str(notebook)]
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT)
    return code


def touched_by(changed: list[str]) -> list[Path]:
    """The notebooks to execute after a change of these files, which are given relative to the repository's root.

    A notebook is touched by a change of itself, of what all notebooks use, and of any file that its code names.
    """
    if any(name.startswith(USED_BY_ALL) for name in changed):
        return NOTEBOOKS
    names = [PurePosixPath(name).name for name in changed]
    return [path for path in NOTEBOOKS if any(name == path.name or name in _code_of(path) for name in names)]


def _code_of(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def _changed_since_last_commit() -> list[str]:
    """Files changed, staged or not, and new ones that git does not ignore."""
    changed = ["git", "diff", "--name-only", "-z", "HEAD"]
    new = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
    outputs = [subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout for command in (changed, new)]
    return [name for output in outputs for name in output.decode().split("\0") if name]


if __name__ == "__main__":
    sys.exit(main())
