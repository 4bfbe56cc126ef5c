"""Published TriDet configs and checkpoints beside ours."""

from __future__ import annotations

from cltdr_cli.methods.published_form import PublishedForm

_BLOCK = r"backbone\.(stem|branch)\.(\d+)\."
_OURS = r"encoder.\1.\2."

PUBLISHED = PublishedForm(
    model_names=("TriDet",),
    keys={
        "model.sgp_mlp_dim": "model.mlp_dim",
        "model.k": "model.window_factor",
        "model.downsample_type": "model.downsample",
        "model.boudary_kernel_size": "model.boundary_kernel_size",
        "model.init_conv_vars": "model.init_conv_vars",
        "model.use_abs_pe": "model.use_abs_pe",
        "model.use_trident_head": "model.use_trident_head",
        "model.num_bins": "model.num_bins",
        "model.iou_weight_power": "training.iou_weight_power",
        "model.input_noise": "training.input_noise",
        "train_cfg.input_noise": "training.input_noise",
        "train_cfg.droppath": "model.droppath",
        "opt.eta_min": "training.eta_min",
    },
    choices={
        "model.backbone_type": ("model.backbone", {"SGP": "sgp", "conv": "conv"}),
        # How the feature files of HACS are read; the network is the same.
        "dataset.backbone_type": (
            "features.file_keys",
            {"slowfast": ("slow_feature", "fast_feature"), "i3d": (), "tsp": ()},
        ),
    },
    levels={"model.n_sgp_win_size": "model.block_kernel_sizes"},
    ignored=("train_cfg.dropout",),
    required=("model.n_sgp_win_size", "model.sgp_mlp_dim"),
    parameters=(
        (_BLOCK + r"ln\.(\w+)", _OURS + r"norm.\3"),
        (_BLOCK + r"gn\.(\w+)", _OURS + r"mlp_norm.\3"),
        (_BLOCK + r"psi\.(\w+)", _OURS + r"gate.\3"),
        (_BLOCK + r"convw\.(\w+)", _OURS + r"narrow.\3"),
        (_BLOCK + r"convkw\.(\w+)", _OURS + r"wide.\3"),
        (_BLOCK + r"fc\.(\w+)", _OURS + r"instant.\3"),
        (_BLOCK + r"global_fc\.(\w+)", _OURS + r"whole.\3"),
        (_BLOCK + r"mlp\.0\.(\w+)", _OURS + r"mlp_in.\3"),
        (_BLOCK + r"mlp\.2\.(\w+)", _OURS + r"mlp_out.\3"),
        (_BLOCK + r"drop_path_out\.scale", _OURS + r"drop_mixed.scale"),
        (_BLOCK + r"drop_path_mlp\.scale", _OURS + r"drop_mlp.scale"),
        (_BLOCK + r"downsample\.1\.(\w+)", _OURS + r"downsample.conv.\3"),
    ),
)
