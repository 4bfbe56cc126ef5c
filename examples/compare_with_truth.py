"""Shows what was detected beside what was drawn, action by action.

    python examples/compare_with_truth.py DETECTED.json TRUE.json

Both files are in the layouts of ActivityNet: results of `cltdr detect`, annotations of `make_sample_video.py`.
"""

import json
import sys
from pathlib import Path


def overlap(a: list[float], b: list[float]) -> float:
    """Intersection over union of two segments in seconds."""
    inner = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inner / (a[1] - a[0] + b[1] - b[0] - inner)


def main() -> None:
    """Print one line for each true action: the best detection of the same label, and how far they overlap."""
    detected = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["results"]
    truth = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))["database"]
    for video, facts in truth.items():
        print(f"{video}: what was drawn, and the detection that fits it best")
        for action in sorted(facts["annotations"], key=lambda item: item["segment"]):
            same = [row for row in detected.get(video, []) if row["label"].endswith(action["label"])]
            best = max(same, key=lambda row: overlap(row["segment"], action["segment"]), default=None)
            found = "not found"
            if best is not None and overlap(best["segment"], action["segment"]) > 0:
                start, end = best["segment"]
                share = overlap(best["segment"], action["segment"])
                found = f"{start:6.2f} to {end:6.2f} s, score {best['score']:.2f}, overlap {share:.0%}"
            start, end = action["segment"]
            print(f"  {action['label']:<14}{start:6.2f} to {end:6.2f} s   {found}")


if __name__ == "__main__":
    main()
