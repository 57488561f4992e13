"""A Sphinx extension: the alternative text of each figure, which MyST-NB leaves in the notebook, reaches the page."""

import base64
import hashlib
from pathlib import Path

import nbformat
from docutils import nodes


def describe_figures(app, doctree: nodes.document) -> None:
    """Set ``alt`` on the pictures of a notebook's outputs."""
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


def setup(app) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", describe_figures)
    return {"parallel_read_safe": True}
