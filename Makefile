# chatd: every command a contributor needs. `make` alone lists them.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# One environment, two depths: to run the daemon takes the runtime lock, and a .pth file by which `twistd chatd`
# finds it in any folder, and chatctl and chat; to work on it takes the development lock (the same versions and more) and an
# editable install. What the client's screen needs is added to the former, and is in the latter; what draws the figures is
# added to the latter. Each stamp lives inside the environment, so a new lock or a deleted .venv makes it again, whole.
RUN := $(VENV)/.run-stamp
CHAT := $(VENV)/.chat-stamp
DEV := $(VENV)/.dev-stamp
PLOT := $(VENV)/.plot-stamp

# What irctest needs besides: a developer's tool, and so neither pinned nor in a lock file.
IRCTEST_PACKAGES := build/irctest-packages

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(ARGS) pyproject.toml

PYBABEL = mkdir -p build && $(BIN)/pybabel --quiet
LOCALES := chatd/locales

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run chat test trial check format spec messages confusables snapshot screenshots wheel wheelhouse bench bench-screen bench-page bench-plot crash fuzz irctest lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# No pid file: a daemon in the foreground has no use for one, and a stale one keeps it from starting.
run: $(RUN) ## start the daemon here, in the foreground (Ctrl-C ends it); make chat talks to it
	@echo 'To chat in a terminal: make chat, in another one. To chat in a browser: http://127.0.0.1:7080/'
	@exec $(BIN)/twistd --pidfile= -ny chatd.tac

chat: $(CHAT) ## start the terminal client (ARGS="--name alice"; ARGS=--help lists the options)
	@exec $(BIN)/chat $(ARGS)

test: $(DEV) ## run the tests under pytest (ARGS="-k names -x")
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

trial: $(DEV) ## run the same tests under trial
	$(BIN)/trial -j 2 $(or $(ARGS),tests)

check: $(DEV) ## formatter, linter and types; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy chatd twisted/plugins tests tools $(wildcard bench)
	cd examples/async_warmup && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml .

format: $(DEV) ## let the formatter and the linter's safe fixes rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

spec: $(DEV) ## write SPEC.md's generated tables again from the code
	$(BIN)/python -m tools.spec SPEC.md

messages: $(DEV) ## collect the sentences to be translated into the catalogues and compile them
	$(PYBABEL) extract --keywords=N_ --sort-output --no-location --width=100 --output=build/chat.pot chatd
	$(PYBABEL) update --domain=chat --input-file=build/chat.pot --output-dir=$(LOCALES) \
		--width=100 --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	$(PYBABEL) compile --domain=chat --directory=$(LOCALES)

confusables: $(DEV) ## write the table of look-alikes again from ICU's sources (ICU=folder)
	mkdir -p build
	$(BIN)/python -m tools.confusables $(ICU)/LICENSE < $(ICU)/source/data/unidata/confusables.txt \
		> build/confusables.py
	mv build/confusables.py chatd/core/confusables.py

snapshot: $(DEV) ## draw docs/chat.svg and docs/client-*.svg, the client's pictures, again
	$(BIN)/python -m tests.client.snapshot docs/chat.svg
	$(BIN)/python -m tests.client.pictures docs

screenshots: $(DEV) ## draw docs/web-*.png, the page's pictures, again
	$(BIN)/python -m tests.web.screenshots docs

wheel: $(DEV) ## build the wheel into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel

# For machines of the same kind with the same Python; ARGS="--python-version 3.12" is for another one.
wheelhouse: $(DEV) ## collect in dist/wheelhouse what installs the daemon without a network
	rm -rf dist/wheelhouse
	$(BIN)/python -m hatchling build -t wheel -d dist/wheelhouse
	$(PIP) download --require-hashes --only-binary=:all: -r requirements.lock -d dist/wheelhouse $(ARGS)
	cp requirements.lock packaging/install.sh packaging/chatd.service packaging/chatd.socket dist/wheelhouse
	cd dist/wheelhouse && sha256sum -- * > SHA256SUMS

bench: $(DEV) ## measure the daemon beside a plain Twisted chat (ARGS="--only room-100 --json FILE --full")
	$(BIN)/python -m bench.figures $(ARGS)

bench-screen: $(DEV) ## measure the terminal client on a pseudo-terminal (ARGS="--messages 10000 --rounds 3")
	$(BIN)/python -m bench.screen $(ARGS)

bench-page: $(DEV) ## measure the page in Chromium (ARGS="--messages 10000 --rounds 1")
	$(BIN)/python -m bench.page $(ARGS)

bench-plot: $(PLOT) ## draw docs/'s figures: measured now, a quarter of an hour, or ARGS="--json FILE" from make bench
	$(BIN)/python -m bench.plot $(ARGS)

crash: $(DEV) ## kill -9, a full disk, a jumping clock, new certificates, crowds (ARGS="--only kill --cycles 50 --seed 7")
	$(BIN)/python -m bench.crash $(ARGS)

fuzz: $(DEV) ## throw 100,000 hostile chunks at every wire (ARGS="--chunks 5000 --seed 7 --wire json")
	$(BIN)/python -m tests.support.fuzz $(ARGS)

# irctest and the daemons run in the same Python: the controller forks daemons (see tests/support).
irctest: $(DEV) $(IRCTEST_PACKAGES) ## run irctest's tests of IRC servers (DIR=checkout of irctest, ARGS="-k join -x")
	$(if $(DIR),,$(error DIR is the folder of a checkout of https://github.com/progval/irctest))
	cd $(DIR) && PYTHONPATH=$(CURDIR):$(CURDIR)/$(IRCTEST_PACKAGES) $(CURDIR)/$(BIN)/python -m pytest \
		-p no:randomly -p no:cacheprovider -p tests.support.irctest_deviations -n 4 --timeout 60 -rfE --tb=short \
		-m 'not implementation-specific and not deprecated and not strict' \
		--controller tests.support.irctest_controller $(or $(TESTS),irctest/server_tests) $(ARGS)

lock: ## compile the lock files again (needs uv; ARGS=--upgrade moves the pins)
	$(COMPILE) -o requirements.lock > /dev/null
	$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock > /dev/null
	$(COMPILE) --extra client --extra images -c requirements-dev.lock -o requirements-client.lock > /dev/null
	$(COMPILE) --extra plot -c requirements-dev.lock -o requirements-plot.lock > /dev/null

clean: ## remove the environment and everything that was generated (not the database)
	rm -rf $(VENV) build dist htmlcov .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache _trial_temp*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name 'dropin.cache*' -type f -delete

$(RUN): requirements.lock
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
	@echo '$(CURDIR)' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/chatd.pth"
	@printf '#!/bin/sh\nexec "%s/python" -m chatd.ctl "$$@"\n' '$(CURDIR)/$(BIN)' > $(BIN)/chatctl
	@printf '#!/bin/sh\nexec "%s/python" -m chatd.client "$$@"\n' '$(CURDIR)/$(BIN)' > $(BIN)/chat
	@chmod +x $(BIN)/chatctl $(BIN)/chat
	@touch $@

$(CHAT): $(RUN) requirements-client.lock
	$(PIP) install --require-hashes -r requirements-client.lock
	@touch $@

$(DEV): requirements.lock requirements-dev.lock
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(RUN) $(CHAT) $@

$(IRCTEST_PACKAGES): $(DEV)
	$(PIP) install --upgrade --target $@ filelock ecdsa
	@touch $@

$(PLOT): $(DEV) requirements-plot.lock
	$(PIP) install --require-hashes -r requirements-plot.lock
	@touch $@
