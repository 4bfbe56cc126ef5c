#!/usr/bin/env bash
# Builds the wheel, installs it in an empty environment outside the repository, and runs it there: both packages, the
# presets, the manifest and the bundled model must be found without the source tree.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
case $python in /*) ;; *) python=$repository/$python ;; esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m build --wheel --outdir "$folder/dist" "$repository" >"$folder/build.log" 2>&1 || { cat "$folder/build.log"; exit 1; }
"$python" "$repository/examples/make_sample_video.py" "$folder/sample.mp4"
"$python" -m venv "$folder/empty"
"$folder/empty/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint "$repository/constraints.txt" "$folder"/dist/*.whl

cd "$folder"
ls -l dist
empty/bin/cltdr --version
empty/bin/cltdr presets list >/dev/null
empty/bin/cltdr weights verify demo demo-localizer
empty/bin/cltdr detect sample.mp4 --preset demo --out sample.csv
head -3 sample.csv
empty/bin/cltdr report sample.csv --video sample.mp4 --out sample.html
empty/bin/python -c "import torchvision, extractors, cltdr_cli; assert 'site-packages' in extractors.__file__ + cltdr_cli.__file__"
echo "the wheel works from an empty environment"
