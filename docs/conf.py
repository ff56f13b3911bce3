"""The site: `python -m pip install ".[docs]" && python -m sphinx -W -b html docs site`.

What is documented is the checkout that this file stands in, whatever is installed beside it.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
sys.path.append(str(HERE))  # docs/generated.py and variants.py, which have tables
# The kernels of notebooks are processes of their own.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.getenv("PYTHONPATH")]))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a debugger's word on frozen modules

import paratrooper_ref  # noqa: E402 (the checkout's, by the path above)

project = "paratrooper-ref"
author = "the authors of paratrooper-ref"
copyright = "the authors of paratrooper-ref, MIT licence"
version = release = paratrooper_ref.__version__

extensions = [
    "myst_nb",  # pages in Markdown, and notebooks, executed
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    # Our own, each a page of docs/_ext:
    "offline_mathjax",
    "algorithm_page",
    "problem_gallery",
    "command_line",
    "pages",
    "download",
    "in_time",
    "api",
]
exclude_patterns = ["_*", "field", "**/.ipynb_checkpoints"]

# Pages
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 4  # links into pages work as in a viewer of the repository
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 60  # seconds for a cell; in_time has the limit for a notebook
nb_execution_in_temp = True  # what a page saves is not left in docs
nb_merge_streams = True

# Docstrings
default_role = "py:obj"  # `Adam` is a link where there is one, and code where there is none
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the docstrings, for people
add_module_names = False
python_use_unqualified_type_names = True

# The site
html_theme = "furo"
html_title = "paratrooper-ref"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_theme_options = {"navigation_with_keys": True}
