"""Every method that turns features into segments: a name, and the module whose ``METHOD`` record describes it.

To add one, write its module, add a line here, and a preset that names it.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from cltdr_cli.errors import PresetError
from cltdr_cli.methods.record import Method

METHODS = {
    "cltdr": "cltdr_cli.methods.cltdr",
    "temporalmaxer": "cltdr_cli.methods.temporalmaxer",
    "actionformer": "cltdr_cli.methods.actionformer",
    "tridet": "cltdr_cli.methods.tridet",
    "sliding": "cltdr_cli.methods.sliding",
    "wtal": "cltdr_cli.methods.wtal",
}
"""Name in presets -> module, imported when the method is used; published configs are tried in this order."""


def find_method(name: str) -> Method:
    """The record of a method.

    Raises:
        PresetError: There is none of that name.
    """
    if name not in METHODS:
        near = get_close_matches(name, METHODS, 1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise PresetError(f"there is no method {name!r}{guess}", f"There are: {', '.join(METHODS)}.")
    return import_module(METHODS[name]).METHOD
