"""How Sphinx makes the pages: see tools/make_book.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Learn PyTorch"
html_title = "Learn PyTorch"
copyright = ""
extensions = ["myst_nb", "sphinx-mathjax-offline", "accessibility"]
html_theme = "furo"
html_theme_options = {
    "light_css_variables": {"figure-filter": "none", "figure-frame": "0"},
    "dark_css_variables": {"figure-filter": "brightness(0.86)", "figure-frame": "0.5rem"},
}
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_copy_source = False
html_use_index = False
html_show_search_summary = False  # a page opened from the disk may not read another
html_show_copyright = False
html_show_sphinx = False

nb_execution_mode = "off"  # the outputs are those stored in the notebooks
nb_merge_streams = True
nb_render_markdown_format = "myst"  # the default knows no tables
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]  # its text says what it is
nb_code_prompt_show = nb_code_prompt_hide = "Check"  # which is all that is folded
myst_enable_extensions = ["amsmath", "attrs_block", "dollarmath"]
myst_heading_anchors = 3
myst_heading_slug_func = "links.jupyter_anchor"
