#!/bin/sh
# Stop what the demo left running, remove the embedded database and all files that were made.
# Run from the project's folder.
set -u

if [ -d .perennial ]; then
    if .venv/bin/python -c 'import psutil' 2>/dev/null; then
        .venv/bin/python -m include.sandbox.demo --clean || exit 1
    else
        # Without .venv nothing of the demo runs but, perhaps, the database; any Python can remove that.
        python3 -c 'from include.warehouse import server; server.destroy()' || exit 1
    fi
fi
rm -rf .venv .perennial .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
find . -name __pycache__ -type d -prune -exec rm -rf {} +
