#!/usr/bin/env bash
# Builds the Dockerfile of a folder without an engine, on stand-ins for its base images, into a storage of its own: the names of
# the stand-ins are those of the real images, which nobody must mistake them for.
#
#   build.sh <work folder> <tag> <folder with a Dockerfile>
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$1 tag=$2 context=$3

mkdir -p "$work"
buildah=(nice -n 19 buildah --storage-driver overlay --root "$work/storage" --runroot "$work/run")

"$here/standins.sh" "$work/debian" "${buildah[@]}"

# What this machine has downloaded serves as Go's module proxy. Mirrors on private networks tend to answer 403 instead of 404
# to what they do not know, and Go then gives up looking for a module that nobody has to download: ours.
(cd "$here" && go mod download)
downloads=$(go env GOMODCACHE)/cache/download

arch=$(go env GOARCH)
"${buildah[@]}" build --quiet --isolation chroot --pull=never --layers --format docker \
	--volume "$downloads:/downloads:ro" \
	--build-arg BUILDPLATFORM="linux/$arch" --build-arg TARGETARCH="$arch" --tag "$tag" "$context"
