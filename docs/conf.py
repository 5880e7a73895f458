"""Sphinx configuration: the site is built without a network and stands without one."""

import logging
import sys
from importlib.util import find_spec
from pathlib import Path

import hrcam

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "hrcam"
author = "The hrcam developers"
project_copyright = "The hrcam developers, Apache-2.0"
version = release = hrcam.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "command_options",
    "docstrings",
    "refusal_reasons",
]
exclude_patterns = ["_build"]
smartquotes_action = "D"  # dashes in text, and no change of quotation marks

myst_enable_extensions = ["attrs_block", "deflist"]
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 80

# torchvision is built for one version of torch, so it is no dependency. Without it and timm, the
# example that needs them shows the output and the picture of an environment that has them.
_torchvision = bool(find_spec("torchvision") and find_spec("timm"))
if _torchvision:
    tags.add("torchvision")  # noqa: F821 - Sphinx defines it
# A dependency of the theme sends the log of every library to the terminal.
logging.getLogger("hrcam").setLevel(logging.WARNING)
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_" if _torchvision else r"/plot_(?!.*torchvision)",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "furo"
html_title = f"hrcam {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
