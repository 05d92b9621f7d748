#!/bin/sh
# Make .venv from the pinned requirements, once: usage setup.sh [PYTHON]; PYTHON may also be set in the environment.
# Works on the project that it lies in, from whatever folder it is run.
set -eu

fail() { printf 'perennial: %s\n' "$1" >&2; exit 1; }

CDPATH='' cd -- "$(dirname -- "$0")/../../.."
pins=$(cat requirements.txt requirements-dev.txt | cksum)
stamp=.venv/perennial-pins
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$pins" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi
# Install only into a folder of this project: through a link, setup would change another project's environment.
[ ! -L .venv ] ||
    fail "the .venv in $(pwd) is a link to $(readlink .venv), whose packages are not the pinned ones:
  remove the link, and make creates an environment here"
# The stamp says whose folder it is, too: `make clean` removes no other. One that is empty was interrupted.
if [ -e .venv ] && [ ! -e "$stamp" ] && [ -n "$(ls -A .venv)" ]; then
    fail "there is a .venv in $(pwd) that make did not make: move it away, or remove it"
fi

# A name may be there and not work (a pyenv shim without its version), so each is asked.
suitable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}
wanted=${1:-${PYTHON:-}}
if [ -n "$wanted" ]; then set -- "$wanted"; else set -- python3 python3.11 python3.12 python3.13 python; fi
python=
for candidate in "$@"; do
    if suitable "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || fail "no Python from 3.11 to 3.13 with venv found (tried: $*).
  Install one (on Debian and Ubuntu: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3"

echo "Setting up .venv with $("$python" -V), once: about a minute on two cores with a fast index"
{ mkdir -p .venv && echo unfinished >"$stamp" && "$python" -m venv .venv; } ||
    fail "cannot make .venv in $(pwd): is the folder writable, and the disk not full?"
.venv/bin/python include/sandbox/demo/install.py requirements.txt requirements-dev.txt ||
    fail "cannot install the pinned packages (see pip's message above); run make again once it can reach its index"
printf '%s\n' "$pins" >"$stamp"
