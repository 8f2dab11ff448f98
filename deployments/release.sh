#!/usr/bin/env bash
# Builds, scans, pushes and signs the images and the chart:
#   deployments/release.sh registry.example.com/video
# Needs docker (with buildx), syft, grype, cosign and helm, a login to the registry, and a key in COSIGN_KEY (else cosign
# signs with the identity that it asks you for). An image with a serious vulnerability that has a fix is not pushed.
set -euo pipefail
cd "$(dirname "$0")/.."

registry=${1:?usage: deployments/release.sh REGISTRY}
version=$(grep -oP '^version: \K.+' helm/hermes-ray/Chart.yaml)
out=build/release
key=()
if [[ -n ${COSIGN_KEY:-} ]]; then key=(--key "$COSIGN_KEY"); fi

for program in docker syft grype cosign helm; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done
if [[ -n $(git status --porcelain) ]]; then
  echo "the working tree has changes: commit them, or nobody can tell what was built" >&2
  exit 1
fi
mkdir -p "$out"

for variant in cpu cuda; do
  image=$registry/hermes-ray:$version-$variant
  sbom=$out/hermes-ray-$version-$variant.spdx.json
  docker buildx build --platform linux/amd64 --file "deployments/Dockerfile.$variant" --load \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" --tag "$image" .
  syft "docker:$image" --output "spdx-json=$sbom"
  grype "sbom:$sbom" --only-fixed --fail-on high
  docker push --quiet "$image"
  # By digest from here on: a tag may be moved.
  reference=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")
  cosign sign --yes "${key[@]}" "$reference"
  cosign attest --yes "${key[@]}" --type spdxjson --predicate "$sbom" "$reference"
  echo "image.digests.$variant: ${reference#*@}" | tee "$out/digest-$variant.txt"
done

helm package helm/hermes-ray --destination "$out"
pushed=$(helm push "$out/hermes-ray-$version.tgz" "oci://$registry/charts" 2>&1 | tee /dev/stderr)
digest=$(grep -oP 'Digest: \Ksha256:[0-9a-f]{64}' <<<"$pushed")
cosign sign --yes "${key[@]}" "$registry/charts/hermes-ray@$digest"
