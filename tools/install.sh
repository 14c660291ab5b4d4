#!/usr/bin/env sh
# Make or refresh .venv from a hashed requirements file. Usage: tools/install.sh run|dev
set -eu
kind=${1:-run}
case "$kind" in
    run) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) echo "usage: tools/install.sh run|dev" >&2; exit 2 ;;
esac
stamp=.venv/.installed-$kind
# Our own modules are compiled here too: otherwise each program of the first start compiles all of them again.
compile_own() { .venv/bin/python -m compileall -q policy redaction metrics gateway dashboard automations demo; }
if [ -f "$stamp" ] && cmp -s "$lock" "$stamp"; then compile_own; exit 0; fi
# What serves tests serves running too.
if [ "$kind" = run ] && [ -f .venv/.installed-dev ] && cmp -s requirements-dev.lock .venv/.installed-dev; then
    compile_own
    exit 0
fi

find_python() {
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$name"; return
        fi
    done
}
python=$(find_python)
if [ -z "$python" ]; then
    echo "Sluice needs Python 3.11, 3.12 or 3.13, and none was found. Install one, or name it: make run PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "$python lacks the venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
command -v git >/dev/null 2>&1 || echo "git is not installed: policy versions will carry no commit id." >&2

echo "Installing the pinned packages into .venv (about 1 GB and 2 to 5 minutes the first time) ..."
[ -x .venv/bin/python ] || "$python" -m venv .venv
if command -v uv >/dev/null 2>&1; then
    uv pip install --quiet --python .venv/bin/python --compile-bytecode --require-hashes -r "$lock"
    uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
fi
cp "$lock" "$stamp"
compile_own
