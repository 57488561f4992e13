"""The figures that notebooks share. Each function takes tensors or results and returns one matplotlib ``Figure``."""

from helpers.plots.diagrams import layer_diagram
from helpers.plots.graph import graph
from helpers.plots.images import image_grid, prediction
from helpers.plots.results import bars, confusion_matrix, loss_curve
from helpers.plots.storage import storage, storage_arrows
from helpers.plots.style import new_figure, show, use_style

__all__ = [
    "bars",
    "confusion_matrix",
    "graph",
    "image_grid",
    "layer_diagram",
    "loss_curve",
    "new_figure",
    "prediction",
    "show",
    "storage",
    "storage_arrows",
    "use_style",
]
