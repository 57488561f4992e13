"""Compare the figures of a cell with those stored, by their pixels."""

import base64
import io
from importlib.metadata import version

import numpy as np
from nbformat import NotebookNode
from PIL import Image, ImageSequence

MEASURED = "measured-figure"  # tag of cells whose figures show trained or timed values: these differ
TILE = 64  # pixels: what is small on its canvas, like a digit, is large on a tile
TOLERANCE = 3.0  # root mean square of the differences within a tile, on a scale of 255


def pictures_of(cell: NotebookNode) -> list[bytes]:
    """The PNG files among a cell's outputs, in order."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [base64.b64decode(kinds["image/png"]) for kinds in data if "image/png" in kinds]


def comparable(notebook: NotebookNode) -> bool:
    """Whether the installed matplotlib drew the notebook's figures: another one may place or smooth them otherwise."""
    opened = [Image.open(io.BytesIO(picture)) for cell in notebook.cells for picture in pictures_of(cell)]
    programs = {image.info["Software"].split(",")[0] for image in opened if "Software" in image.info}
    return programs == {f"Matplotlib version{version('matplotlib')}"}  # an animation does not name its program


def difference(picture: bytes, other: bytes) -> float:
    """How far two pictures lie apart, in the tile and frame where it is most; infinite if their sizes differ."""
    frames, others = _frames(picture), _frames(other)
    if frames.shape != others.shape:
        return np.inf
    squares = np.square(frames - others).mean(axis=-1)
    count, height, width = squares.shape
    squares = np.pad(squares, ((0, 0), (0, -height % TILE), (0, -width % TILE)))
    tiles = squares.reshape(count, squares.shape[1] // TILE, TILE, -1, TILE)
    return float(np.sqrt(tiles.mean(axis=(2, 4)).max()))


def _frames(picture: bytes) -> np.ndarray:
    """Colors, shape (frames, height, width, 3)."""
    frames = ImageSequence.Iterator(Image.open(io.BytesIO(picture)))
    return np.stack([np.asarray(frame.convert("RGB"), dtype=np.float32) for frame in frames])
