"""Published CLTDR-GMG configs and checkpoints beside ours."""

from __future__ import annotations

from cltdr_cli.methods.published_block_form import BLOCK_KEYS, BLOCK_LEVELS, BLOCK_PARAMETERS, BLOCK_REQUIRED
from cltdr_cli.methods.published_form import BLOCK, OUR_BLOCK, PublishedForm

PUBLISHED = PublishedForm(
    model_names=("CLTDR",),
    keys=BLOCK_KEYS,
    choices={"model.backbone_type": ("model.backbone", {"SGP": "gmg", "conv": "conv"})},
    levels=BLOCK_LEVELS,
    ignored=("model.k",),
    required=BLOCK_REQUIRED,
    state_sign=r"refineHead\..*",
    parameters=(
        *BLOCK_PARAMETERS,
        (BLOCK + r"([wb][12])", OUR_BLOCK + r"mixer.\3"),
        (BLOCK + r"convw\.(\w+)", OUR_BLOCK + r"local.\3"),
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
