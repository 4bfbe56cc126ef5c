"""The global branch of our reconstruction of DFE: a memory of all videos that enhances features, in training only.

DFE (ICASSP 2023) has no published code and only its abstract is known; how its parts go together is our own choice.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cltdr_cli.methods.wtal.config import WtalConfig
from cltdr_cli.methods.wtal.global_enhancement import GlobalEnhancement, allow_slots
from cltdr_cli.methods.wtal.losses import pool_best_steps
from cltdr_cli.methods.wtal.memory import Entry, Memory, average_best
from cltdr_cli.methods.wtal.outputs import WtalOutputs
from cltdr_cli.training.label_loader import LabelledVideos


class Teacher(nn.Module):
    """Memory and global enhancement. The heads are the network's own.

    Args:
        config: Sizes, and how the memory is kept and read.
        topk_divisor: A video's class score is the mean of its T / so many best steps.
    """

    def __init__(self, config: WtalConfig, topk_divisor: int) -> None:
        super().__init__()
        slots, update = config.memory_slots, config.memory_update
        assert slots is not None, "checked with the preset"
        assert update is not None, "likewise"
        self.memory = Memory(config.num_classes, slots, config.input_dim, update)
        self.enhancement = GlobalEnhancement(config.input_dim)
        self.topk_divisor, self.masks_labels = topk_divisor, bool(config.memory_label_mask)

    def answer(self, outputs: WtalOutputs, labels: Tensor | None = None) -> WtalOutputs:
        """What the network says of globally enhanced features, its dropout drawn anew.

        Args:
            outputs: Of the local branch.
            labels: ``[B, K]``; with a label mask only slots of these classes are read. None reads all.
        """
        assert outputs.score is not None, "a network that is taught scores other features, too"
        assert outputs.features is not None, "likewise"
        slots, filled = self.memory.read()
        allowed = allow_slots(filled, labels if self.masks_labels else None)
        allowed = allowed.expand(len(outputs.features), -1)
        return outputs.score(self.enhancement(outputs.features, slots.flatten(0, 1), allowed))

    @torch.no_grad()
    def begin(self, network: nn.Module, videos: LabelledVideos) -> None:
        """Fill the memory by one pass over whole training videos: of each class those that score highest."""
        device, was_training = self.memory.vectors.device, network.training
        network.eval()
        for index in range(len(videos)):
            sample = videos.sample(index)
            features = torch.from_numpy(sample.features).to(device)[None]
            labels = torch.from_numpy(sample.labels).to(device)[None]
            mask = torch.ones(features.shape[:2], dtype=torch.bool, device=device)
            for entry in self._describe(network(features, mask), labels, (index,)):
                self.memory.keep_best(entry)
        network.train(was_training)

    @torch.no_grad()
    def remember(self, outputs: WtalOutputs, labels: Tensor, videos: tuple[int, ...]) -> None:
        """Update the memory with a batch, row by row.

        Args:
            outputs: Of the local branch.
            labels: ``[B, K]``.
            videos: Number of the video in each row.
        """
        for entry in self._describe(outputs, labels, videos):
            self.memory.update(entry)

    def _describe(self, outputs: WtalOutputs, labels: Tensor, videos: tuple[int, ...]) -> Iterator[Entry]:
        """One entry for each class of each row: the steps that show it best, and the video's score of it."""
        assert outputs.features is not None, "a network that is taught gives its features"
        logits, attention = outputs.logits.detach().float(), outputs.attention.detach().float()
        shown = attention[..., None] * logits.softmax(2)
        scores = pool_best_steps(attention[..., None] * logits, self.topk_divisor).softmax(1).tolist()
        count = max(1, logits.shape[1] // self.topk_divisor)
        features = outputs.features.detach().float()
        for row, label in torch.nonzero(labels > 0).tolist():
            vector = average_best(features[row], shown[row, :, label], count)
            yield Entry(videos[row], label, vector, scores[row][label])
