"""Execute the notebooks that a change may touch, store their outputs, and show what became different."""

import subprocess
import sys
from pathlib import Path

import run_notebooks
from run_notebooks import NOTEBOOKS, ROOT

USED_BY_ALL = ("helpers/", "data/", "requirements.txt")


def main() -> int:
    """Refresh what changed since the last commit; return 1 if a notebook failed."""
    changed = _changed_since_last_commit()
    notebooks = touched_by(changed)
    if not notebooks:
        print("No notebook, nor what all of them use, changed since the last commit: nothing to refresh.")
        return 0
    code = run_notebooks.main(["--in-place", *map(str, notebooks)])
    for notebook in notebooks:
        _show_difference(notebook)
    return code


def touched_by(changed: list[str]) -> list[Path]:
    """The notebooks to execute when these files changed, given relative to the repository's root."""
    if any(name.startswith(USED_BY_ALL) for name in changed):
        return NOTEBOOKS
    return [path for path in NOTEBOOKS if f"notebooks/{path.name}" in changed]


def _changed_since_last_commit() -> list[str]:
    """Files changed, staged or not, and new ones that git does not ignore."""
    changed = ["git", "diff", "--name-only", "-z", "HEAD"]
    new = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
    outputs = [subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout for command in (changed, new)]
    return [name for output in outputs for name in output.decode().split("\0") if name]


def _show_difference(notebook: Path) -> None:
    command = [sys.executable, "-m", "nbdime", "diff", "--ignore-metadata", "--ignore-details", "HEAD", str(notebook)]
    subprocess.run(command, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
