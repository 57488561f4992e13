"""What the patterns hide: the lines that differ between runs, where they are right, and nothing else."""

import re
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import coalesce_streams, get_sanitize_patterns

from notebook_io import code_cells

HERE = Path(__file__).parent
CONFIGURATION = (HERE / "nbval_sanitize.cfg").read_text(encoding="utf-8")
PATTERNS = get_sanitize_patterns(CONFIGURATION)

# A line, values that may stand in it, and near misses.
LINES = [
    ("device: {}", "cpu or cuda:1 or gpu:0", "meta or cuda or gpu or cpu:0 or gpu:0, simulated"),
    ("one by one takes {}× the time of slicing", "86.7 or 5.1", "4.9 or 0.1"),
    ("adding a transpose takes {}× the time of adding the matrix itself", "39.1 or 1.6", "1.1 or 0.0 or 1000.0"),
    ("epoch 1: 100%|██████████| 1875/1875 [00:11<00:00, {}",
     "161.17batch/s, loss=0.264] or  9.30batch/s, loss=0.321]   ",
     "161.17batch/s, loss=1.999] or 161.17batch/s, loss=0.000] or 161.17batch/s"),
    ("Test dataset: Overall Loss: 0.0847, Overall Accuracy: {}", "9732/10000 (97.32%) or 9691/10000 (96.91%)",
     "9732/10000 (97%) or 9701/10000 (100%) or 9701/10000 (100.00%) or 9732/10000 (97.41%) or 9500/10000 (95.00%)"),
    ("epoch 2: test loss {} %", "0.046, test accuracy 98.43 ± 0.12 or 0.039, test accuracy 98.69 ± 0.11",
     "0.461, test accuracy 98.43 ± 0.12 or 0.046, test accuracy 97.99 ± 0.12 or 0.046, test accuracy 98.43 ± 1.24"),
    ("cn1: cosine of its weights before and after {}", "0.92 or 0.87", "0.35 or -0.92 or 1.00"),
    ("{}: cosine of its weights before and after 0.51", "cn2", "fc1 or fc2 or cn1 or fc3"),
    ("trained on centered digits: {} %", "98.4 % 98.1 % 92.4 % 77.6 % 56.5 or 98.7 % 98.2 % 92.0 % 76.8 % 57.2",
     "98.4 % 98.1 % 92.4 % 77.6 % 96.5 or 56.5 % 77.6 % 92.4 % 98.1 % 98.4 or 98.4 % 98.1 % 92.4 % 77.6"),
    ("trained on shifted digits: {} %", "97.4 % 97.5 % 97.4 % 97.0 % 95.9 or 96.9 % 97.1 % 97.2 % 97.2 % 96.3",
     "97.4 % 97.5 % 97.4 % 97.0 % 55.9 or 57.4 % 97.5 % 97.4 % 97.0 % 95.9"),
    ("the surest mistake: probability above {} %", "99.99 or 99.87", "100.00 or 9.99 or 98.99"),
    ("with shifts              test images 97.5 %, other hands {} %", "89.0 or 91.5", "31.0 or 97.5 or 100.0"),
    ("then with turns and pens test images {} %", "98.6 %, other hands 95.7 or 99.0 %, other hands 94.9",
     "95.7 %, other hands 98.6 or 98.6 %, other hands 5.7 or 98.6"),
    ("trusted from {} % on", "98.7 or 92.5", "9.8 or 100.0 or 78.7"),
    ("in doubt: {} % of the right answers", "83 % of the mistakes, 3.8 or 75 % of the mistakes, 5.1",
     "3 % of the mistakes, 3.8 or 83 % of the mistakes, 38.0 or 83 % of the mistakes, 0.0"),
    ("{} wrong without a warning", "35 of 35 right, 0 or 33 of 35 right, 1",
     "35 of 35 right, 9 or 25 of 35 right, 0 or 0"),
    ("one network, five seeds: {} %", "87.9 % to 92.1 or 89.6 % to 92.3", "92.1 % to 87.9 or 87.9 % to 100.0"),
    ("least validation loss after {} epochs", "5 to 10 or 4 to 9", "0 to 10 or 5 to 30"),
    ("validation accuracy {} %", "99.7 or 100.0", "9.97 or 33.3 or 100.7"),
    ("one training takes {} s", "2.5 or 48.0", "0.0 or -2.5"),
    ("95 % interval: {}", "99.01 % to 99.07 % or 99.05 % to 99.10 % or 98.99 % to 99.05 %",
     "99.99 % to 98.00 % or 99.09 % to 99.04 % or 99.06 % to 99.05 % or 98.99 % to 99.00 % or 98.91 % to 99.07 %"),
    ("mean test accuracy of 20 seeds {} %", "99.04 or 99.10", "98.99 or 99.40 or 9.04"),
    ("ConvNet, {} the time of one", "32 images: two processes take 0.8× or 32 images: two processes take 12.5×",
     "256 images: two processes take 0.8× or 384 images: two processes take 0.8× or 32 images: two processes take 0.0× "
     "or 32 images: two processes take 0.1× or 32 images: two processes take 123.0×"),
    ("training on {} s", "2 processes took 1.2 or 2 processes took 14.0",
     "1 process took 1.2 or 2 processes took 0.0 or 3 processes took 1.2"),
    ("rank 0 of 1: process {} on cpu", "7 or 21587", "0 or -1"),
    ("peak       {} GFLOP/s", "210.1 or 35.0", "0.0 or -1.0 or 210"),
    ("one call   {} µs", "1.1 or 25.0", "0.0 or 1100.0 or 1"),
    ("recipe: {} % overhead", "31 % arithmetic, 20 % memory, 49 or 0 % arithmetic, 0 % memory, 100",
     "131 % arithmetic, 20 % memory, 49 or 31 % arithmetic, 20 % memory, -9 or 31 % arithmetic, 49"),
    ("recipe: fixed cost {} %", "1.5 of 3.1 ms a step, 46 or 2.2 of 2.2 ms a step, 100",
     "0.0 of 3.1 ms a step, 46 or 1.5 of 3.1 ms a step, 101 or 1.5 of 3.1 s a step, 46"),
    ("threads: {}", "1.9× for the largest product, 1.6× for the recipe or left out: one thread only",
     "0.0× for the largest product, 1.6× for the recipe or 1.6× for the recipe or left out: RuntimeError"),
    ("bfloat16: {}× for the whole recipe",
     "2.2× the speed for a large product, 1.0 or 9.1× the speed for a large product, 0.8",
     "2.2 or 0.0× the speed for a large product, 1.0"),
    ("torch.compile: {}", "8.3× the speed of the plain function; compiling takes 6.02 s (first), 0.51 s (cold), "
     "0.03 s (warm), and a training of the recipe 0.31 s or left out, there is no C++ compiler",
     "left out, NameError or 8.3× the speed of the plain function or 8.3× the speed of the plain function; "
     "compiling takes 6.02 s (first), 0.00 s (cold), 0.03 s (warm), and a training of the recipe 0.31 s"),
    ("reading each loss: {}× the time of reading all at the end", "1.01 or 0.95 or 3.20", "0.01 or 10.00"),
    ("50,000 images of 157 MB: the line predicts {}× the measured time", "1.44 or 0.77", "0.00 or 3.10 or 0.39"),
]  # fmt: skip


def sanitize(text):
    """As IPyNbCell.sanitize does it."""
    for regex, replacement in PATTERNS:
        text = re.sub(regex, replacement, text)
    return text


@pytest.mark.parametrize(("line", "right", "wrong"), LINES)
def test_right_values_are_taken_for_each_other_and_wrong_ones_are_not(line, right, wrong):
    (equal,) = {sanitize(line.format(value)) for value in right.split(" or ")}
    others = {sanitize(line.format(value)) for value in wrong.split(" or ")}
    assert equal not in others and len(others) == len(wrong.split(" or "))


def stored_texts():
    for path in sorted((HERE.parents[1] / "notebooks").glob("*.ipynb")):
        for cell in code_cells(nbformat.read(path, as_version=4)):
            for output in coalesce_streams(cell.outputs):
                yield from [output[kind] for kind in ("text", "evalue") if kind in output]
                yield from [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]


def test_each_pattern_fits_as_many_lines_as_its_title_says():
    titles = re.findall(r"^\[(notebooks? .*: (\d+) lines?)\]\nregex: ", CONFIGURATION, flags=re.MULTILINE)
    texts = list(stored_texts())
    for (title, lines), (regex, _) in zip(titles, PATTERNS, strict=True):
        assert sum(len(re.findall(regex, text)) for text in texts) == int(lines), title


def test_each_pattern_describes_a_whole_line():
    for regex, _ in PATTERNS:
        assert regex.startswith("(?m)^") and regex.endswith("$") and not re.search(r"(?<!\\)\.", regex), regex
