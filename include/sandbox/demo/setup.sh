#!/bin/sh
# Make .venv from the pinned requirements, once: usage setup.sh [PYTHON]. Run from the project's folder.
set -eu

fail() { printf 'perennial: %s\n' "$1" >&2; exit 1; }

pins=$(cat requirements.txt requirements-dev.txt | cksum)
stamp=.venv/perennial-pins
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$pins" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

# A name may be there and not work (a pyenv shim without its version), so each is asked.
suitable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}
python=
for candidate in ${1:-python3 python3.11 python3.12 python3.13 python}; do
    if suitable "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || fail "no Python from 3.11 to 3.13 with venv found (tried: ${1:-python3, python3.11 to python3.13, python}).
  Install one (on Debian and Ubuntu: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3"

echo "Setting up .venv with $("$python" -V) (about a minute, once) ..."
rm -f "$stamp" 2>/dev/null || true
"$python" -m venv .venv || fail "cannot make .venv in $(pwd): is the folder writable, and the disk not full?"
.venv/bin/python -m pip install -q --disable-pip-version-check -r requirements.txt -r requirements-dev.txt ||
    fail "cannot install the pinned packages (see pip's message above); run make again once it can reach its index"
printf '%s\n' "$pins" >"$stamp"
