"""A pad to draw on with the mouse, a pen or a finger, and a figure that is redrawn after each stroke."""

from collections.abc import Callable
from uuid import uuid4

from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from helpers.plots.style import show

PAD_SIDE, PEN_WIDTH = 280, 20  # pixels

Stroke = list[tuple[float, float]]


def draw_strokes(strokes: list[Stroke], *, side: int = PAD_SIDE, pen: int = PEN_WIDTH) -> Image.Image:
    """Picture of black lines on a white square, drawn with a round pen.

    Args:
        strokes: Lines, each a list of points (x, y) in pixels from the upper left corner.
        side: Side of the square, in pixels.
        pen: Width of the lines, in pixels.
    """
    image = Image.new("L", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        draw.line(stroke, fill="black", width=pen)
        for x, y in stroke:  # round ends and corners
            draw.circle((x, y), pen / 2, fill="black")
    return image


def drawing_pad(answer: Callable[[Image.Image], Figure], first: Image.Image, alt: str) -> None:
    """Show the figure of an example, and a pad below it; each stroke on the pad redraws the figure.

    The button Clear wipes the pad and shows the example again. On a web page, or without ipycanvas, there is no pad,
    and the figure stays as it is.

    Args:
        answer: Function from a picture to a figure. It is called with ``first``, and then with the drawing on the pad:
            black on white, 280×280 pixels. The message of a ValueError is written below the pad.
        first: Picture of the example.
        alt: Description of the example's figure in one sentence, for readers who cannot see it.

    Raises:
        ValueError: If ``alt`` is empty.
    """
    name = uuid4().hex  # later figures with this name replace the first
    show(answer(first), alt, display_id=name)

    def redraw(strokes: list[Stroke]) -> str:
        try:
            show(answer(draw_strokes(strokes)), "Your drawing", display_id=name, update=True)
        except ValueError as error:
            return str(error)
        return ""

    def start_over() -> None:
        show(answer(first), alt, display_id=name, update=True)

    try:
        _show_pad(redraw, start_over)
    except ImportError as error:
        print(f"No pad to draw on: {error} (pip install ipycanvas brings it). A picture in a file will do as well.")


def _show_pad(redraw: Callable[[list[Stroke]], str], start_over: Callable[[], None]) -> None:
    import ipycanvas
    import ipywidgets
    from IPython.display import display

    layout = {"border": "1px solid gray", "width": f"{PAD_SIDE}px"}
    canvas = ipycanvas.Canvas(width=PAD_SIDE, height=PAD_SIDE, layout=layout)
    canvas.line_width, canvas.line_cap = PEN_WIDTH, "round"
    clear = ipywidgets.Button(description="Clear", tooltip="Wipe the pad clean")
    message = ipywidgets.Label()
    strokes: list[Stroke] = []
    pen_is_down = False

    def wipe() -> None:
        strokes.clear()
        canvas.fill_style = "white"  # paper, in a dark theme too
        canvas.fill_rect(0, 0, PAD_SIDE, PAD_SIDE)
        message.value = "Draw a digit on the pad. Until then, the figure shows an example."

    def clear_all(_: ipywidgets.Button) -> None:
        wipe()
        start_over()

    def press(x: float, y: float) -> None:
        nonlocal pen_is_down
        pen_is_down = True
        strokes.append([(x, y)])
        move(x, y)

    def move(x: float, y: float) -> None:
        if pen_is_down:
            canvas.stroke_line(*strokes[-1][-1], x, y)
            strokes[-1].append((x, y))

    def lift(*_: float) -> None:
        nonlocal pen_is_down
        if pen_is_down:
            pen_is_down = False
            message.value = redraw(strokes)

    def with_first_touch(act: Callable[[float, float], None]) -> Callable[[list], None]:
        return lambda touches: act(*touches[0])

    wipe()
    clear.on_click(clear_all)
    canvas.on_mouse_down(press)
    canvas.on_mouse_move(move)
    canvas.on_mouse_up(lift)
    canvas.on_mouse_out(lift)
    canvas.on_touch_start(with_first_touch(press))
    canvas.on_touch_move(with_first_touch(move))
    canvas.on_touch_end(lift)
    canvas.on_touch_cancel(lift)
    panel = ipywidgets.VBox([canvas, clear, message])
    display({**panel._repr_mimebundle_(), "text/plain": "A pad to draw on, when run"}, raw=True)
