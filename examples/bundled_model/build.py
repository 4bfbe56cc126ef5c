"""Makes the bundled demo weights from nothing: draws, trains the extractor, extracts, trains the localizer, measures.

    python examples/bundled_model/build.py DIR [--ablations] [--install weights]

A stopped build goes on where it was. DIR gets ``demo.safetensors``, ``demo-localizer.safetensors``, ``results.json``
and a ``README.md`` with the results.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bundle import install, write_untrained
from cltdr_cli.errors import CltdrError
from stages import Build, BuildPlan, shrink_plan


def main() -> int:
    """Build, report, install; the exit status."""
    given = _parse_arguments()
    try:
        if given.untrained:
            write_untrained(given.folder, given.seed)
        else:
            _build(given)
        if given.install is not None:
            install(given.folder, given.install)
    except CltdrError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="everything is made here; takes 12 GB")
    parser.add_argument("--ablations", action="store_true", help="also measure the localizer with parts off")
    parser.add_argument("--untrained", action="store_true", help="only write both files with random weights")
    parser.add_argument("--install", type=Path, metavar="DIR", help="copy the result into this weights folder")
    parser.add_argument("--seed", type=int, default=1, help="of the worlds and the extractor (default: 1)")
    parser.add_argument("--small", type=int, metavar="N", help="only N videos a split, to try every stage")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)")
    return parser.parse_args()


def _build(given: argparse.Namespace) -> None:
    plan = BuildPlan(seed=given.seed, extractor_seed=given.seed, workers=given.workers)
    plan = plan if given.small is None else shrink_plan(plan, given.small, steps=20)
    results = Build(given.folder, plan, _notice).run(ablations=given.ablations)
    print(f"average mAP on {results['test']['videos']} test videos: {results['test']['average_mAP']:.4f}")


def _notice(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
