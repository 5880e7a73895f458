#!/bin/sh
# Install hrcam with all that hrcam-bids needs into an environment of its own, as the images do.
# usage: install.sh SOURCE PREFIX [OPTION OF PIP ...]
set -eu
source=$1 prefix=$2
shift 2
python3 -m venv "$prefix"
"$prefix/bin/pip" install --no-cache-dir --disable-pip-version-check --quiet \
  --constraint "$source/constraints.txt" "$@" "$source[bids]"
cp "$source/container/run.sh" "$prefix/run.sh"
"$prefix/run.sh" --version
