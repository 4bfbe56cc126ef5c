"""Makes extractors/slowfast_expected.npz: outputs of pytorchvideo's SlowFast R50 8x8 on seeded weights.

pytorchvideo 0.1.5 is no dependency of the tests, so it goes into a folder of its own:

    pip install --no-deps --target PTV pytorchvideo==0.1.5 fvcore iopath portalocker yacs termcolor tabulate \\
        parameterized
    PYTHONPATH=PTV:tests:. python tests/golden/make_slowfast.py
"""

import numpy as np
import torch
from golden.seeded import seeded_clip
from pytorchvideo.models.slowfast import create_slowfast
from seeded_weights import GOLDEN, seeded_slowfast


def pathways(clip):
    """Slow and fast input of a clip [1, 3, T, H, W]: evenly spaced frames, cut to whole numbers."""
    frames = torch.linspace(0, clip.shape[2] - 1, clip.shape[2] // 4).long()
    return [clip.index_select(2, frames), clip]


def main():
    network = create_slowfast().eval()
    fit = network.load_state_dict(seeded_slowfast("pytorchvideo"), strict=False)
    assert not fit.unexpected_keys
    assert all(key.endswith("num_batches_tracked") for key in fit.missing_keys)
    expected = {}
    with torch.inference_mode():
        for frames, side in ((32, 64), (64, 64)):
            outputs = pathways(torch.from_numpy(seeded_clip(3, frames, side, side, seed=100 + frames))[None])
            for block in network.blocks[:5]:
                outputs = block(outputs)
            means = [output.mean((2, 3, 4)) for output in outputs]
            expected[f"features_T{frames}_{side}"] = torch.cat(means, 1)[0].numpy()
        clip = torch.from_numpy(seeded_clip(3, 32, 224, 224, seed=324))[None]
        expected["logits_T32_224"] = network(pathways(clip))[0].numpy()
    np.savez(GOLDEN / "slowfast_expected.npz", **expected)


if __name__ == "__main__":
    main()
