"""What published configs and checkpoints of CLTDR-GMG and TriDet, which it grew from, have in common."""

from __future__ import annotations

from cltdr_cli.methods.published_form import BLOCK, OUR_BLOCK

BLOCK_KEYS = {
    "model.sgp_mlp_dim": "model.mlp_dim",
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
}
"""Published key -> ours, where the value means the same."""

BLOCK_LEVELS = {"model.n_sgp_win_size": "model.block_kernel_sizes"}
"""Published key with one number per level, or one for all -> ours."""

BLOCK_REQUIRED = ("model.n_sgp_win_size", "model.sgp_mlp_dim")
"""Published keys without a default."""

BLOCK_PARAMETERS = (
    (BLOCK + r"ln\.(\w+)", OUR_BLOCK + r"norm.\3"),
    (BLOCK + r"gn\.(\w+)", OUR_BLOCK + r"mlp_norm.\3"),
    (BLOCK + r"fc\.(\w+)", OUR_BLOCK + r"instant.\3"),
    (BLOCK + r"mlp\.0\.(\w+)", OUR_BLOCK + r"mlp_in.\3"),
    (BLOCK + r"mlp\.2\.(\w+)", OUR_BLOCK + r"mlp_out.\3"),
    (BLOCK + r"drop_path_out\.scale", OUR_BLOCK + r"drop_mixed.scale"),
    (BLOCK + r"drop_path_mlp\.scale", OUR_BLOCK + r"drop_mlp.scale"),
    (BLOCK + r"downsample\.1\.(\w+)", OUR_BLOCK + r"downsample.conv.\3"),
)
"""Published name of a block's parameter -> ours."""
