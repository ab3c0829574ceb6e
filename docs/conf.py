"""Sphinx settings of the documentation: ``uv run --group docs sphinx-build docs site``."""

from stressnet.version import __version__

project = "stressnet"
author = "The stressnet developers"
project_copyright = "the stressnet developers, GPL-3.0-or-later"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["results/validation/*"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4
# The pages are also read as they are: a block without a language is something typed or shown.
highlight_language = "text"
smartquotes = False  # "--help" has two hyphens

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings name the types
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = "stressnet"
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # it would be fetched, which browsers refuse from disk
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {
    "navbar_align": "left",
    "navbar_center": ["navbar-nav"],
    "navbar_persistent": [],
    "navbar_end": ["search-button-field", "theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "start": []}


def setup(app):
    """Keep asterisks in help texts, such as ``fixed-hz:*FACTOR``, from being read as emphasis."""

    def escape(_app, _context, lines):
        lines[:] = [line.replace("*", "\\*") for line in lines]

    app.connect("sphinx-click-process-options", escape)
