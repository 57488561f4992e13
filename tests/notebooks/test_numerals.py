"""A numeral in a notebook's prose stands in the code or in the text outputs beside it, or in an equation that holds."""

import ast
import math
import re
import tokenize
from decimal import Decimal
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
PART = re.compile(r"^(?=##+ |\*\*Exercise)", re.MULTILINE)  # a part reaches from one heading or exercise to the next
SOLUTION = re.compile(r"```python\n(.*?)```", re.DOTALL)
LEFT_OUT = re.compile(
    r"""```.*?``` | \$\$.*?\$\$ | \$[^$]*\\[^$]*\$  # code, and formulas with commands of LaTeX
    | \d*[_^](?:\{[^}]*\}|\w)  # indices and powers
    | \[[^]]*\]\([^)\s]*\)  # links
    | ^[#]+\ [\d.]* | (?:section|notebook|exercise)s?\ \d[\d.]*(?:\ (?:to|and)\ \d[\d.]*)?  # numbers of sections
    | [,(]\s?(?:19|20)\d\d(?=\W) | ^\W*(?:what\ )?to\ read\ next.*  # years, papers
    | about\ \d+\ (?:seconds|minutes) | \d+\ seconds\ to\ run  # running times, which are a machine's own
    """,
    re.DOTALL | re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
N = r"(?<![\w.])(?>\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?)"
NUMERAL = re.compile(rf"({N})(?!\w)( ?%| percent)?")
RUN = re.compile(rf"{N}(?!\w)(?:(?:×|, −?){N}(?!\w))*(?: ?%| percent)?")  # one numeral, or several as in 2×3 or (2, 3)
EQUATION = re.compile(rf"{N}²?(?: ?[+−·×/] ?{N}²?)+ = −?{N}²?(?!\w)")


def numbers(text):
    """The numbers in a text, 98 % as 0.98, and without a sign."""
    return [Decimal(digits.replace(",", "")).scaleb(-2 if unit else 0) for digits, unit in NUMERAL.findall(text)]


def constants(code):
    """The numbers in code, but for those in comments and strings."""
    tokens = tokenize.generate_tokens(StringIO(code).readline)
    return [Decimal(str(ast.literal_eval(token.string))) for token in tokens if token.type == tokenize.NUMBER]


def output_texts(cell):
    """What a code cell printed or raised; not a picture's alternative text."""
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" not in data:
            yield output.get("text") or output.get("evalue") or data.get("text/markdown", data.get("text/plain", ""))


def parts(notebook):
    """Each part's prose and its facts: a list of numbers for each piece of code and each output."""
    found = [("", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found[-1][1].extend([constants(cell.source), *map(numbers, output_texts(cell))])
            continue
        for position, text in enumerate(PART.split(cell.source)):
            prose, facts = ("", []) if position else found.pop()
            found.append((f"{prose}\n{text}", facts + [constants(code) for code in SOLUTION.findall(text)]))
    return [(LEFT_OUT.sub(" ", prose), facts) for prose, facts in found]


def same(claim, fact):
    """Whether a fact is what is claimed; a claim of two digits or more may be the fact, rounded."""
    _, digits, exponent = claim.as_tuple()
    return fact == claim or (len(digits) > 1 and 2 * abs(fact - claim) < Decimal(1).scaleb(exponent))


def stand_in(claims, facts):
    """Whether the claimed numbers stand among the facts, one after the other; of a square, 3×3, the side will do."""
    if len(set(claims)) == 1:
        claims = claims[:1]
    return any(all(map(same, claims, facts[start:])) for start in range(len(facts) - len(claims) + 1))


def holds(equation):
    for sign, operator in {"−": "-", "·": "*", "×": "*", ",": "", "²": "**2"}.items():
        equation = equation.replace(sign, operator)
    return math.isclose(*map(eval, equation.split(" = ")))


def unfounded(notebook):
    """The numerals that nothing bears out; the part before the first heading and a summary repeat the others' prose."""
    found = parts(notebook)
    repeats = [number == 0 or prose.split()[:1] == ["Summary"] for number, (prose, _) in enumerate(found)]
    said = [numbers(prose) for (prose, _), repeating in zip(found, repeats) if not repeating]
    for (prose, facts), repeating in zip(found, repeats):
        yield from (equation for equation in EQUATION.findall(prose) if not holds(equation))
        for run in RUN.findall(EQUATION.sub(" ", prose)):
            if not any(stand_in(numbers(run), stretch) for stretch in (said if repeating else facts)):
                yield run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_code_or_the_outputs_bear_out_every_numeral(path):
    assert not list(unfounded(nbformat.read(path, as_version=4)))


EXAMPLES = [  # prose, code, output, and the numerals that these do not bear out
    ("24 % more ones, 6,742", "assert round(6742 / 5421 - 1, 2) == 0.24", "", []),
    ("42 % more ones, 6,724", "assert round(6742 / 5421 - 1, 2) == 0.24", "", ["42 %", "6,724"]),
    ("98.5 %, not 98.4 %", "", "accuracy: 98.47 %", ["98.4 %"]),
    ("strides (12, 4, 1), 3×3 kernels", "kernel_size = 3", "(12, 4, 1)", []),
    ("strides (4, 12, 1), 3×4 kernels", "kernel_size = 3", "(12, 4, 1)", ["4, 12, 1", "3×4"]),
    ("7 + 2 · 2 = 11, but 7 + 2 · 3 = 11", "", "", ["7 + 2 · 3 = 11"]),
    ("sections 1.2 to 1.4, [1.5](#x), $x^2$, about 70 seconds, 40 seconds to run (LeCun, 1998)", "", "", []),
    ("5 and 6 and 7", "x = 5  # or 6, 'or 7'", "", ["6", "7"]),
    ("5\n\n**Exercise 1.1.** 5 and 6\n\n```python\nx = 6\n```", "", "5", ["5"]),
]


@pytest.mark.parametrize(("prose", "code", "output", "expected"), EXAMPLES)
def test_the_checker_names_what_is_not_borne_out(prose, code, output, expected):
    computing = new_code_cell(code, outputs=[new_output("stream", text=output)])
    notebook = new_notebook(cells=[new_markdown_cell(f"## 1.1 Heading\n\n{prose}"), computing])
    assert list(unfounded(notebook)) == expected
