"""Published TemporalMaxer configs and checkpoints beside ours."""

from __future__ import annotations

from cltdr_cli.methods.published_form import PublishedForm

_ASSIGNER = ("iou_weight", "cls_weight", "center_radius", "keep_percent", "confuse_weight")
_ASSIGNER_KEYS = {f"model.assigner.{name}": f"model.assigner_{name}" for name in _ASSIGNER}

PUBLISHED = PublishedForm(
    model_names=("TemporalMaxerArchitecture",),
    keys=_ASSIGNER_KEYS,
    choices={
        "model.backbone_type": ("", {"convPooler": None}),
        "model.fpn_norm": ("model.neck_norm", {"groupnorm": "group", "layernorm": "layer"}),
        "model.fpn_start_level": ("", {"0": None}),
    },
    arch=("embd_layers", "branch_blocks"),
    # Keys of ActionFormer, whose configs these grew from; the released program passes over them.
    ignored=(
        "model.n_head",
        "model.n_mha_win_size",
        "model.use_rel_pe",
        "model.use_abs_pe",
        "train_cfg.dropout",
        "train_cfg.droppath",
    ),
    required=tuple(_ASSIGNER_KEYS),
    settings={"training.eta_min": 1e-8, "inference.voting_weight": "score_times_iou"},
    config_signs=(*_ASSIGNER_KEYS, "model.backbone_type=convPooler"),
    parameters=(
        (r"backbone\.proj\.(\d+)\.conv\.(\w+)", r"encoder.projection.parts.\1.conv.\2"),
        (r"neck\.fpn_norms\.\d+\.(\w+)", r"neck.norm.\1"),  # one norm, stored once for every level
    ),
)
