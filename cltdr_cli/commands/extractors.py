"""cltdr extractors: the feature extractors and their conventions."""

from __future__ import annotations

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Quiet


def extractors(device: Device = "auto", quiet: Quiet = False, debug: Debug = False) -> None:
    """List the feature extractors: width, window, stride, preprocessing, licence of their weights."""
    from extractors import EXTRACTORS

    columns = ("name", "width", "window", "stride", "fps", "input", "preprocessing", "weights", "licence")
    rows = [
        (
            name,
            record.spec.width,
            record.spec.window_frames,
            record.spec.stride_frames,
            record.spec.rate or "native",
            record.spec.modality,
            record.spec.transform,
            record.spec.weights or "bundled",
            record.spec.weights_licence,
        )
        for name, record in EXTRACTORS.items()
    ]
    console.table("", columns, rows)
    console.notice(
        "timm:NAME: any image network of timm, one feature per frame, such as timm:tf_efficientnet_lite0 "
        "(pip install 'cltdr-cli[frames]')"
    )
    for name, record in EXTRACTORS.items():
        if record.options:
            console.notice(f"{name} --option {'|'.join(record.options)}: {record.spec.note}")
