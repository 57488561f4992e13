"""The figures that notebooks share. Each function takes tensors or results and returns one matplotlib ``Figure``."""

from helpers.plots.animation import show_animation
from helpers.plots.architectures import architecture_gallery
from helpers.plots.cheat_sheet import draw_function, draw_paths, new_page, show_page
from helpers.plots.diagrams import Stage, network_diagram
from helpers.plots.drawing import draw_strokes, drawing_pad
from helpers.plots.explorers import explorer
from helpers.plots.graph import graph
from helpers.plots.images import digit_steps, image_grid
from helpers.plots.marks import connect_cells, draw_band, draw_dots, draw_image, draw_parts, label_lines
from helpers.plots.matrices import draw_matrix, highlight_cells
from helpers.plots.memory import channel_order, draw_representable, float_bits
from helpers.plots.results import accuracy_against_time, bar_chart, confusion_matrix, loss_curve
from helpers.plots.storage import slots_of, storage_views
from helpers.plots.style import ACCENT, FORWARD, PALE, SIGNED_MAP, UNSIGNED_MAP, new_figure, show, use_style
from helpers.plots.tracing import LayerInfo, trace_layers
