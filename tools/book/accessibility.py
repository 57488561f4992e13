"""A Sphinx extension for readers who cannot see the page: what MyST-NB and the theme leave out."""

import base64
import hashlib
from pathlib import Path

import nbformat
from docutils import nodes


def describe_figures(app, doctree: nodes.document) -> None:
    """Set ``alt`` on the pictures of a notebook's outputs; MyST-NB leaves it in the notebook."""
    source = Path(app.env.doc2path(app.env.docname))
    if source.suffix != ".ipynb":
        return
    descriptions = descriptions_in(nbformat.read(source, as_version=4))
    for picture in doctree.findall(nodes.image):
        name = Path(picture["uri"]).stem  # of an output: the SHA-256 of the file
        picture["alt"] = descriptions.get(name, picture.get("alt", ""))


def descriptions_in(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """For each PNG among the outputs, its alternative text, under the SHA-256 of its bytes."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    return {
        hashlib.sha256(base64.b64decode(output.data["image/png"])).hexdigest(): output.metadata["image/png"]["alt"]
        for output in pictures
    }


def give_captions_a_level(app, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Say of which level the headings in the navigation are."""
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", describe_figures)
    app.connect("html-page-context", give_captions_a_level, priority=900)  # after the theme
    return {"parallel_read_safe": True}
