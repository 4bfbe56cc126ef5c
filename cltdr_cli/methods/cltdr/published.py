"""Published CLTDR-GMG configs and checkpoints beside ours."""

from __future__ import annotations

from cltdr_cli.methods.published_form import PublishedForm

_BLOCK = r"backbone\.(stem|branch)\.(\d+)\."
_OURS = r"encoder.\1.\2."

PUBLISHED = PublishedForm(
    model_names=("CLTDR",),
    keys={
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
    },
    choices={"model.backbone_type": ("model.backbone", {"SGP": "gmg", "conv": "conv"})},
    levels={"model.n_sgp_win_size": "model.block_kernel_sizes"},
    ignored=("model.k",),
    required=("model.n_sgp_win_size", "model.sgp_mlp_dim"),
    state_sign=r"refineHead\..*",
    parameters=(
        (_BLOCK + r"([wb][12])", _OURS + r"mixer.\3"),
        (_BLOCK + r"ln\.(\w+)", _OURS + r"norm.\3"),
        (_BLOCK + r"gn\.(\w+)", _OURS + r"mlp_norm.\3"),
        (_BLOCK + r"convw\.(\w+)", _OURS + r"local.\3"),
        (_BLOCK + r"fc\.(\w+)", _OURS + r"instant.\3"),
        (_BLOCK + r"mlp\.0\.(\w+)", _OURS + r"mlp_in.\3"),
        (_BLOCK + r"mlp\.2\.(\w+)", _OURS + r"mlp_out.\3"),
        (_BLOCK + r"drop_path_out\.scale", _OURS + r"drop_mixed.scale"),
        (_BLOCK + r"drop_path_mlp\.scale", _OURS + r"drop_mlp.scale"),
        (_BLOCK + r"downsample\.1\.(\w+)", _OURS + r"downsample.conv.\3"),
        (r"decls\.contrans\.(\w+)", r"class_decoupling.above.\1"),
        (r"decls\.conv_l\.(\w+)", r"class_decoupling.above_fusion.query.\1"),
        (r"decls\.attn\.1\.(\w+)", r"class_decoupling.above_fusion.gate.\1"),
        (r"dereg\.down\.(\w+)", r"offset_decoupling.below.\1"),
        (r"dereg\.conv_l\.(\w+)", r"offset_decoupling.below_fusion.query.\1"),
        (r"dereg\.attn\.1\.(\w+)", r"offset_decoupling.below_fusion.gate.\1"),
        (r"cross_level\.conv\.(\w+)", r"fusion.below.\1"),
        (r"cross_level\.convtrans\.(\w+)", r"fusion.above.\1"),
        (r"refineHead\.s_offset_head\.conv\.(\w+)", r"refine_head.start.conv.\1"),
        (r"refineHead\.e_offset_head\.conv\.(\w+)", r"refine_head.end.conv.\1"),
        (r"refineHead\.prob_head\.conv\.(\w+)", r"refine_head.score.conv.\1"),
        (r"refineHead\.head\.(\d+)\.conv\.(\w+)", r"refine_head.trunk.convs.\1.conv.\2"),
        (r"refineHead\.norm\.(\d+)\.(\w+)", r"refine_head.trunk.norms.\1.\2"),
    ),
    # Scales of the refinement head, which nothing reads, and position tables, which are computed.
    unread_parameters=r"refineHead\.scale\.\d+\.scale|backbone\.pos_embd",
)
