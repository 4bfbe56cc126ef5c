"""The Python API: find actions in one video, print them, keep them as subtitles.

python examples/detect_one_video.py VIDEO.mp4
"""

import sys
from pathlib import Path

from cltdr_cli import Detector

video = Path(sys.argv[1])
detector = Detector.load("demo")
result = detector.detect(video, min_score=0.2)
for segment in result:
    print(f"{segment.start:7.2f} {segment.end:7.2f}  {segment.label}  {segment.score:.2f}")
print(result.save(video.with_suffix(".srt")))
