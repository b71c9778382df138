#!/bin/sh
# Restores the starters and wipes what runs. Edits are saved under .lab/saved/, reports stay.
set -eu
cd "$(dirname "$0")/.."
sh scripts/run.sh driver reset
if [ "${PLATFORM:-local}" = k3d ]; then sh scripts/cluster.sh wipe; fi
