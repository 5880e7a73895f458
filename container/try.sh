#!/bin/sh
# Go through what the images do, without building one: install into a fresh environment, then train
# on a BIDS data set and map it as a user without rights and, where that is possible, without a
# network.
# usage: try.sh BIDS_DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd) study=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -m 777 "$work/out"
sh "$here/install.sh" "$(dirname "$here")" "$work/opt"
set -- env -i PATH=/usr/bin:/bin "$work/opt/run.sh" "$study" "$work/out" group --folds 2 --epochs 1
if [ "$(id -u)" = 0 ]; then
  unshare --net setpriv --reuid 12345 --regid 12345 --clear-groups "$@"
else
  "$@"
fi
find "$work/out" -name '*desc-pattern_statmap*' | grep -q . && echo "the steps of the images work"
