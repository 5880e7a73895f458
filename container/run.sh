#!/bin/sh
# Start hrcam-bids, as the images do: as any user, without a home folder, without a network.
set -eu
prefix=$(dirname "$0")
settings=$(mktemp -d)
trap 'rm -rf "$settings"' EXIT
# A user whom the image does not know has no name, and libraries ask for one.
export USER="${USER:-hrcam}" MPLCONFIGDIR="$settings" PYTHONNOUSERSITE=1
"$prefix/bin/hrcam-bids" "$@"
