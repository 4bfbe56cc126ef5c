"""Published TriDet configs and checkpoints beside ours."""

from __future__ import annotations

from cltdr_cli.methods.published_block_form import BLOCK_KEYS, BLOCK_LEVELS, BLOCK_PARAMETERS, BLOCK_REQUIRED
from cltdr_cli.methods.published_form import BLOCK, OUR_BLOCK, PublishedForm

PUBLISHED = PublishedForm(
    model_names=("TriDet",),
    keys=BLOCK_KEYS | {"model.k": "model.window_factor"},
    choices={
        "model.backbone_type": ("model.backbone", {"SGP": "sgp", "conv": "conv"}),
        # How the feature files of HACS are read; the network is the same.
        "dataset.backbone_type": (
            "features.file_keys",
            {"slowfast": ("slow_feature", "fast_feature"), "i3d": (), "tsp": ()},
        ),
    },
    levels=BLOCK_LEVELS,
    ignored=("train_cfg.dropout",),
    required=BLOCK_REQUIRED,
    parameters=(
        *BLOCK_PARAMETERS,
        (BLOCK + r"psi\.(\w+)", OUR_BLOCK + r"gate.\3"),
        (BLOCK + r"convw\.(\w+)", OUR_BLOCK + r"narrow.\3"),
        (BLOCK + r"convkw\.(\w+)", OUR_BLOCK + r"wide.\3"),
        (BLOCK + r"global_fc\.(\w+)", OUR_BLOCK + r"whole.\3"),
    ),
)
