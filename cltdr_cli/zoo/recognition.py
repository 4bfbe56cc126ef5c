"""Which method a published config and checkpoint belong to."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import yaml

from cltdr_cli.errors import WeightsError
from cltdr_cli.methods import METHODS, find_method
from cltdr_cli.methods.published_form import PublishedForm, bare_name
from cltdr_cli.zoo.yaml_nodes import mismatch


def recognise_method(nodes: Mapping[str, yaml.Node], parameters: Collection[str] | None) -> str:
    """Name of the method that a flat published config, and a checkpoint's parameters, belong to.

    Raises:
        Mismatch: The config names a method that is none of ours.
        WeightsError: The checkpoint is of a method without configs.
    """
    forms = {name: form for name in METHODS if (form := find_method(name).published) and form.has_config}
    signed = find_signed_method(parameters or ())
    if signed is not None and signed not in forms:
        raise WeightsError(
            f"the checkpoint is of {find_method(signed).title}, which publishes no config files",
            "Name one of its presets as preset=; `cltdr presets list` lists them.",
        )
    if signed is not None:
        return signed
    given = nodes.get(".model_name")
    if given is not None:
        return _match_model_name(given, forms)
    words = {*nodes, *(f"{key}={node.value}" for key, node in nodes.items() if isinstance(node, yaml.ScalarNode))}
    for method, form in forms.items():
        if words & set(form.config_signs):
            return method
    plain = [name for name, form in forms.items() if not form.config_signs]
    unsigned = [name for name in plain if forms[name].state_sign is None]
    return (unsigned or plain)[0] if parameters is not None else plain[0]


def find_signed_method(parameters: Collection[str]) -> str | None:
    """Name of the only method whose checkpoints have one of these parameters; None where none tells."""
    for method in METHODS:
        form = find_method(method).published
        if form and form.state_sign:
            names = (bare_name(form, key) for key in parameters)
            if any(re.fullmatch(form.state_sign, name) for name in names):
                return method
    return None


def _match_model_name(node: yaml.Node, forms: Mapping[str, PublishedForm]) -> str:
    for method, form in forms.items():
        if str(node.value) in form.model_names:
            return method
    known = [name for form in forms.values() for name in form.model_names]
    raise mismatch(node, f"model_name {str(node.value)!r} is none of {', '.join(known)}")
