"""Draws one clip of about 20 seconds, so that the quick start needs no download.

    python examples/make_sample_video.py [PATH.mp4]

The clip is from the test split of the demo world, which the demo model has not been trained on. Its true actions
are written beside it (PATH.truth.json, ActivityNet layout) and printed.
"""

import json
import sys
from pathlib import Path

from cltdr_cli.demo.script import draw_script
from cltdr_cli.demo.world import WORLD_VERSION, annotate_script, write_video

SEED, INDEX, SECONDS = 2024, 19, 20.0


def main() -> None:
    """Draw, write, print."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample.mp4"
    script = draw_script("test", SEED, INDEX, duration_seconds=SECONDS)
    write_video(path, script)
    truth = {"version": WORLD_VERSION, "database": {path.stem: annotate_script(script)}}
    path.with_suffix(".truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: {script.duration_seconds:.1f} s at {script.rate} frames per second")
    for act in script.list_acts():
        print(f"  {act.start_seconds:5.2f} to {act.end_seconds:5.2f}  {act.label}")


if __name__ == "__main__":
    main()
