# Everything a person does with this repository. `make` alone lists it.
# Needs make, bash and a Python >= 3.11; the rest goes into .venv, exactly as requirements.lock has it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test check mutants bench docs lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.as-locked
ARGS ?=

help: ## list what can be made
	@printf 'Trocar: the port between a surgeon'\''s hands and a robot somewhere else.\n\n'
	sed -En 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 16
	printf '\nmake demo, test, mutants and bench pass ARGS on: make test ARGS="-k gate -x"\n'

setup: $(STAMP) ## make .venv from the lock (again only when the lock has changed)
	@echo '$(VENV) is as the lock has it'

demo: $(STAMP) ## run a whole node with a simulated robot, and show how to reach it
	@exec $(BIN)/trocar demo $(ARGS)

test: $(STAMP) ## run every test
	@$(need_browser)
	$(BIN)/python -m teleop.node.kernels # compiled once: no test shall wait for that
	exec $(BIN)/pytest $(ARGS)

check: $(STAMP) ## format, lint, types, floors: what CI asks of a change
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

mutants: $(STAMP) ## break the safety core in every small way, and see a test fail each time
	@exec $(BIN)/python -m tests.mutants $(ARGS)

bench: $(STAMP) ## measure the relay beside its peers
	@exec $(BIN)/python -m bench relay $(ARGS)

docs: $(STAMP) ## write docs/protocol.md and docs/vectors.json anew from the code
	@exec $(BIN)/python -m docs.generate

lock: $(STAMP) ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra records --extra sim --group bench --group dev --quiet --upgrade \
	  --universal --python-version 3.11 --fork-strategy fewest --only-binary :all: \
	  --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' --output-file requirements.lock
	echo 'requirements.lock is written; make setup installs it'

clean: ## remove .venv, caches and what a build left
	@rm -rf $(VENV) dist build .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------------------------------------------- .venv

# A name on the PATH may be a stub that runs nothing, so each candidate is asked for its version.
define find_python
python=
for candidate in python3.13 python3.12 python3.11 python3; do
  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi
done
if [ -z "$$python" ]; then
  echo 'Trocar needs Python 3.11 or newer, and found none as python3.13, python3.12, python3.11 or python3.' >&2
  exit 1
fi
endef

# Debian keeps what `python3 -m venv` needs in a package of its own.
define need_venv
if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then
  package="$$($$python -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing the Debian package $$package, which $$python needs to make an environment"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$$package" >/dev/null 2>&1 ||
      { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$$package" >/dev/null; }
  else
    printf '%s lacks what it needs to make an environment. Please run\n\n  sudo apt-get install %s\n\nand then make again.\n' \
      "$$python" "$$package" >&2
    exit 1
  fi
fi
endef

# Pages are tested in Debian's Chromium. Without one, tests/browser says so and is skipped, or fails where CI is set.
define need_browser
if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'installing the Debian package chromium, in which the pages are tested'
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 ||
      { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } ||
      echo 'chromium could not be installed' >&2
  else
    echo 'NO CHROMIUM: the pages are not tested in a browser. To have them tested: sudo apt-get install chromium' >&2
  fi
fi
endef

# pip tells each package on a line of its own; in a terminal that becomes one line that counts.
define pip_progress
total=$$(sed -n '/win32/d; s/==.*//p' requirements.lock | sort -u | wc -l); n=0
while read -r verb what _; do
  case $$verb in
    Collecting | Processing) what="$${what##*/}"; n=$$((n + 1)); say="$$n/$$total  $${what%%[=-][0-9=]*}" ;;
    Installing) say='unpacking' ;;
    *) continue ;;
  esac
  [ ! -t 1 ] || printf '\r\033[K  %s' "$$say"
done
[ ! -t 1 ] || printf '\r\033[K'
endef

$(STAMP): requirements.lock pyproject.toml
	@$(find_python)
	$(need_venv)
	if ! $(BIN)/python -c 'import pip' 2>/dev/null; then
	  rm -rf $(VENV)
	  $$python -m venv $(VENV)
	fi
	echo "setting up $(VENV) with $$($(BIN)/python --version), a minute the first time"
	pip() { $(BIN)/python -m pip --disable-pip-version-check --no-input "$$@"; }
	complaints="$$(mktemp)"; trap 'rm -f "$$complaints"' EXIT
	if ! { pip install --require-hashes --only-binary=:all: -r requirements.lock | { $(pip_progress); } &&
	       pip install --quiet --no-deps --no-build-isolation --editable .; } 2>"$$complaints"; then
	  cat "$$complaints" >&2
	  exit 1
	fi
	touch $@
