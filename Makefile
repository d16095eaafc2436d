PYTHON ?= python

.PHONY: app check test versions wheel smoke shots nightly

app:            ## start the studio
	$(PYTHON) app.py

check:          ## everything a change must pass
	ruff format --check .
	ruff check .
	find eimg_core -name "*.pyi" -delete # stubs that Gradio leaves beside our components; they would hide the code from mypy
	mypy
	$(PYTHON) -m pytest

test:
	$(PYTHON) -m pytest

versions:       ## the fast tests on every Python that is here, with the lowest and the newest versions
	.ci/versions

wheel:          ## the package, with the page and the weights inside, to be installed anywhere
	$(PYTHON) -m pip wheel . --no-deps --wheel-dir dist

smoke:          ## every training stage on your data, tiny, in about a minute
	$(PYTHON) -m train.reproduce --data $(DATA) --preset smoke --out runs/smoke/assets --runs runs/smoke

shots:          ## screenshots of the page, light and dark, desktop and phone
	$(PYTHON) -m tests.shots --out runs/shots

nightly:        ## fuzzing at length: 50 000 inputs for each generator
	$(PYTHON) -m benchmarks.fuzz --inputs 50000 --out runs/fuzz.json
	$(PYTHON) -m benchmarks.fuzz_midi --inputs 50000 --out runs/fuzz_midi.json
	$(PYTHON) -m benchmarks.fuzz_pictures --inputs 50000 --out runs/fuzz_pictures.json
