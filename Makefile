# make demo   set up .venv, draw a video, find its actions: a table, JSON, CSV, SRT and a picture
# make test   set up .venv, run the test suite
# make bench-train   proof that training learns, on the real THUMOS14 annotations (about 5 minutes)
# make results   real numbers: all methods and ablations on GTEA and 50Salads (8 hours on two cores; resumable)
# make check  what CI runs: lint, types, tests, and the wheel in an empty environment

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test bench-train results lint types wheel check clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/python examples/make_sample_video.py out/sample.mp4
	$(BIN)/cltdr detect out/sample.mp4 --preset demo --min-score 0.2 --table --out out/ --format json --format csv --format srt --format svg
	$(BIN)/python examples/compare_with_truth.py out/sample.json out/sample.truth.json

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

bench-train: $(INSTALLED)
	rm -rf out/proof
	$(BIN)/python examples/learns_from_real_annotations.py ../shared/data/annotations/thumos14/thumos14.json --out out/proof

results: $(INSTALLED)
	$(BIN)/python examples/real_features.py --data ../shared/data/real-features --out out/results --ablations --jobs 2 --published ../shared/golden/segmentation/expected.json

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/pyright

wheel: $(INSTALLED)
	PYTHON=$(BIN)/python bash tests/check_wheel.sh

check: lint types test wheel

clean:
	rm -rf .venv build dist out *.egg-info
