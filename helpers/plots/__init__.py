"""The figures that notebooks share. Each function takes tensors or results and returns one matplotlib ``Figure``."""

from helpers.plots.animation import show_animation
from helpers.plots.architectures import architecture_gallery
from helpers.plots.cheat_sheet import cheat_sheet
from helpers.plots.diagrams import layer_diagram
from helpers.plots.drawing import drawing_pad
from helpers.plots.explorers import explorer
from helpers.plots.graph import graph
from helpers.plots.images import digit_steps, image_grid, prediction
from helpers.plots.matrices import draw_matrix, outline
from helpers.plots.results import accuracy_against_time, bars, confusion_matrix, loss_curve
from helpers.plots.storage import storage, storage_arrows
from helpers.plots.style import new_figure, show, use_style

__all__ = [
    "accuracy_against_time",
    "architecture_gallery",
    "bars",
    "cheat_sheet",
    "confusion_matrix",
    "digit_steps",
    "draw_matrix",
    "drawing_pad",
    "explorer",
    "graph",
    "image_grid",
    "layer_diagram",
    "loss_curve",
    "new_figure",
    "outline",
    "prediction",
    "show",
    "show_animation",
    "storage",
    "storage_arrows",
    "use_style",
]
