#!/bin/sh
# Stop what the demo left running and remove what Perennial made, by name: include/common/home.py says what that is.
# Works on the project that it lies in, from whatever folder it is run.
set -eu

CDPATH='' cd -- "$(dirname -- "$0")/../../.."
[ -f include/sandbox/demo/clean.sh ] && [ -f include/common/home.py ] || {
    printf 'perennial: %s is not the project: nothing was removed\n' "$(pwd)" >&2
    exit 1
}
export PYTHONDONTWRITEBYTECODE=1

if .venv/bin/python -c 'import psutil, rich' 2>/dev/null; then
    .venv/bin/python -m include.sandbox.demo --clean
else
    # Without .venv nothing of the demo runs but, perhaps, the database; any Python can remove that.
    python3 include/sandbox/demo/clean_without_environment.py
fi

if [ -L .venv ]; then # of a link only the link
    rm -f .venv
elif [ -f .venv/perennial-pins ]; then
    rm -rf .venv
elif [ -e .venv ]; then
    echo "Left .venv, since make setup did not make it."
fi
rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
# The project's own folders only; find follows no links.
for folder in benchmarks dags docs include plugins sql tests; do
    if [ -d "$folder" ] && [ ! -L "$folder" ]; then
        find "$folder" -name __pycache__ -type d -prune -exec rm -rf {} +
    fi
done
