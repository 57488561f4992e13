"""Execute notebooks, each in a fresh kernel; leave executed copies in build/, and print a table of how it went."""

import argparse
import asyncio
import base64
import contextlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from helpers.files import atomic_write

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HEADLINE_TAG = "headline"  # of the cell whose last printed line sums a notebook up
COVER_TAG = "cover"  # of the cell whose figure is the README's
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
MARKED = re.compile(r"^- \[(.+)\]\(.+\) ◆$", re.MULTILINE)  # a section of the short path, in a notebook's contents


class Outcome(NamedTuple):
    """How one notebook's execution went."""

    name: str
    cells: int
    seconds: float
    passed: bool
    result: str


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks named on the command line, or all; return 1 if one failed, 130 if stopped by Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebooks to run (default: all)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--in-place", action="store_true", help="store the outputs in the notebooks themselves")
    mode.add_argument("--short-path", action="store_true", help="run only the sections marked in the contents")
    options = parser.parse_args(arguments)
    if missing := [str(path) for path in options.notebooks if not path.is_file()]:
        parser.error(f"no such notebook: {', '.join(missing)}")
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # a terminal that cannot print × should not stop a run
    try:
        paths = options.notebooks or NOTEBOOKS
        outcomes = [_run(path, in_place=options.in_place, short=options.short_path) for path in paths]
    except (KeyboardInterrupt, asyncio.CancelledError):  # the latter while a kernel starts
        print("\nstopped; the notebook at work was left as it was", file=sys.stderr)
        return 130
    _print_table(outcomes)
    if not options.in_place:
        print(f"\nExecuted copies: {ROOT / 'build'}")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def short_path(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells before a notebook's first section, and those of the sections that its contents mark."""
    marked, kept, keep = set(), [], True
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            marked.update(MARKED.findall(cell.source))
            if heading := SECTION.search(cell.source):
                keep = heading[1] in marked
        if keep:
            kept.append(cell)
    return kept


def _run(path: Path, *, in_place: bool, short: bool) -> Outcome:
    """Execute one notebook in its own folder, show which cell is at work, and write the outputs."""
    notebook = nbformat.read(path, as_version=4)
    if short:
        notebook.cells = short_path(notebook)
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    done = 0

    def show_progress(*, cell, **_) -> None:
        nonlocal done
        if cell.cell_type == "code":
            done += 1
            _print_progress(f"{path.stem}  cell {done} of {total}")

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        coalesce_streams=True,
        record_timing=False,
        store_widget_state=not in_place,
        resources={"metadata": {"path": str(path.parent)}},
        on_notebook_start=_let_ctrl_c_interrupt,
        on_cell_start=show_progress,
    )
    if not sys.stdout.isatty():
        print(f"{path.stem} ...", flush=True)
    start = time.perf_counter()
    try:
        client.execute(stderr=subprocess.DEVNULL)  # the kernel's own log; errors in cells arrive as outputs
        passed, result = True, _headline(notebook)
    except (CellExecutionError, DeadKernelError) as error:
        passed, result = False, str(error).strip().splitlines()[-1]
        print(f"\n{error}", file=sys.stderr)
    seconds = time.perf_counter() - start
    _print_progress("")
    if in_place and passed:
        _write(notebook, path)
        for cell in _tagged(notebook, COVER_TAG):
            with atomic_write(path.with_name("cover.png")) as part:
                part.write_bytes(base64.b64decode(cell.outputs[0].data["image/png"]))
    if not in_place:
        (ROOT / "build").mkdir(exist_ok=True)
        _write(notebook, ROOT / "build" / path.name)
    return Outcome(path.stem, done, seconds, passed, result)


def _let_ctrl_c_interrupt(**_) -> None:
    """Have Ctrl-C raise KeyboardInterrupt again: nbclient's handler ends the kernel, and the run fails anyhow later."""
    with contextlib.suppress(NotImplementedError):  # on Windows, where nbclient sets none
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def _print_progress(text: str) -> None:
    # A terminal's line is rewritten; a log would keep every state of it.
    if sys.stdout.isatty():
        print(f"\r{text:<60}", end="" if text else "\r", flush=True)


def _headline(notebook: nbformat.NotebookNode) -> str:
    for cell in _tagged(notebook, HEADLINE_TAG):
        printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        return printed.strip().splitlines()[-1]
    return ""


def _tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    with atomic_write(path) as part:
        part.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


def _print_table(outcomes: list[Outcome]) -> None:
    width = max(len("notebook"), *(len(outcome.name) for outcome in outcomes))
    print(f"\n{'notebook':<{width}}  {'cells':>5}  {'seconds':>7}  result")
    for outcome in outcomes:
        state = "passed" if outcome.passed else "FAILED"
        result = f"{state}  {outcome.result}".rstrip()
        print(f"{outcome.name:<{width}}  {outcome.cells:>5}  {outcome.seconds:>7.1f}  {result}")
    if len(outcomes) > 1:
        cells, seconds = sum(outcome.cells for outcome in outcomes), sum(outcome.seconds for outcome in outcomes)
        print(f"{'total':<{width}}  {cells:>5}  {seconds:>7.1f}")


if __name__ == "__main__":
    sys.exit(main())
