"""How the published weights of CO2-Net (a bare state dict) and HAM-Net (a Lightning file) are named."""

from __future__ import annotations

from cltdr_cli.methods.published_form import PublishedForm


def _list_consensus(published: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Names of one of CO2-Net's two consensus modules."""
    return (
        (rf"{published}\.channel_conv\.0\.(\w+)", rf"{ours}.overall.\1"),
        (rf"{published}\.bit_wise_attn\.0\.(\w+)", rf"{ours}.local.\1"),
        (rf"{published}\.attention\.0\.(\w+)", rf"{ours}.attention.first.\1"),
        (rf"{published}\.attention\.3\.(\w+)", rf"{ours}.attention.second.\1"),
        (rf"{published}\.attention\.5\.(\w+)", rf"{ours}.attention.out.\1"),
    )


_CO2NET = (
    *_list_consensus("vAttn", "rgb"),
    *_list_consensus("fAttn", "flow"),
    (r"fusion\.0\.(\w+)", r"fusion.\1"),
    (r"classifier\.1\.(\w+)", r"classifier.first.\1"),
    (r"classifier\.4\.(\w+)", r"classifier.out.\1"),
)
_HAMNET = (
    (r"classifier\.0\.(\w+)", r"first.\1"),
    (r"classifier\.2\.(\w+)", r"second.\1"),
    (r"classifier\.5\.(\w+)", r"out.\1"),
    (r"attention\.0\.(\w+)", r"attention.first.\1"),
    (r"attention\.2\.(\w+)", r"attention.second.\1"),
    (r"attention\.4\.(\w+)", r"attention.out.\1"),
)

PUBLISHED = PublishedForm(
    model_names=(),
    state_sign=r"(vAttn|fAttn|attention|classifier)\.[\w.]+",
    parameters=(*_CO2NET, *_HAMNET),
    unread_parameters=r"feat_encoder\.[\w.]+",
    parameter_prefix="net.",
    state_keys=("state_dict", ""),
    has_config=False,
)
