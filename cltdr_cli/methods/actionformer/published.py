"""Published ActionFormer configs and checkpoints beside ours."""

from __future__ import annotations

from cltdr_cli.methods.published_form import BLOCK, OUR_BLOCK, PublishedForm

PUBLISHED = PublishedForm(
    model_names=("LocPointTransformer",),
    keys={
        "model.n_head": "model.heads",
        "model.use_rel_pe": "model.use_rel_pe",
        "model.use_abs_pe": "model.use_abs_pe",
        "train_cfg.droppath": "model.droppath",
        "train_cfg.dropout": "model.dropout",
    },
    choices={
        "model.backbone_type": ("model.backbone", {"convTransformer": "transformer", "conv": "conv"}),
        "model.fpn_start_level": ("", {"0": None}),
    },
    levels={"model.n_mha_win_size": "model.window_sizes"},
    settings={"model.window_sizes": (-1,), "training.eta_min": 1e-8, "inference.voting_weight": "score_times_iou"},
    config_signs=(
        "model.n_mha_win_size",
        "model.n_head",
        "model.use_rel_pe",
        "model.backbone_type=convTransformer",
    ),
    state_sign=r"backbone\.(stem|branch)\.\d+\.attn\..*",
    parameters=(
        (r"backbone\.proj\.(\d+)\.conv\.(\w+)", r"encoder.projection.parts.\1.conv.\2"),
        (BLOCK + r"ln1\.(\w+)", OUR_BLOCK + r"attention_norm.\3"),
        (BLOCK + r"ln2\.(\w+)", OUR_BLOCK + r"mlp_norm.\3"),
        (BLOCK + r"attn\.(query|key|value)_conv\.conv\.(\w+)", OUR_BLOCK + r"attention.\3.conv.conv.\4"),
        (BLOCK + r"attn\.(query|key|value)_norm\.(\w+)", OUR_BLOCK + r"attention.\3.norm.\4"),
        (BLOCK + r"attn\.(query|key|value)\.(\w+)", OUR_BLOCK + r"attention.\3.out.\4"),
        (BLOCK + r"attn\.proj\.(\w+)", OUR_BLOCK + r"attention.out.\3"),
        (BLOCK + r"attn\.rel_pe", OUR_BLOCK + r"attention.rel_pe"),
        (BLOCK + r"mlp\.0\.(\w+)", OUR_BLOCK + r"mlp_in.\3"),
        (BLOCK + r"mlp\.3\.(\w+)", OUR_BLOCK + r"mlp_out.\3"),
        (BLOCK + r"drop_path_attn\.scale", OUR_BLOCK + r"drop_attention.scale"),
        (BLOCK + r"drop_path_mlp\.scale", OUR_BLOCK + r"drop_mlp.scale"),
    ),
)
"""``dropout`` and drop path stand in all its configs under ``train_cfg``; its least rate is always 1e-8."""
