#!/usr/bin/env bash
# Writes the hashed requirements of the images from pyproject.toml and constraints.txt, for Linux on x86-64:
#   deployments/lock.sh        # after every change of either; needs uv and the package index
set -euo pipefail
cd "$(dirname "$0")/.."

compile=(uv pip compile --quiet --generate-hashes --no-header --no-annotate --constraint constraints.txt
  --python-version 3.11 --python-platform x86_64-manylinux_2_28)
ours=(pyproject.toml --extra mqtt --extra postgresql --extra s3)

# Torch and what it brings for GPUs are a file of their own: the CPU image has another build of Torch, and none of the rest.
gpu=$("${compile[@]}" "${ours[@]}" | grep -oE '^(torch|triton|cuda|nvidia)[a-z0-9-]*==' | tr -d '=')
leave_out=()
while read -r package; do
  leave_out+=(--no-emit-package "$package")
done <<<"$gpu"

"${compile[@]}" "${ours[@]}" "${leave_out[@]}" --output-file deployments/requirements.txt
others=()
while read -r package; do
  others+=(--no-emit-package "$package")
done < <(grep -oE '^[a-z0-9._-]+==' deployments/requirements.txt | tr -d '=')
"${compile[@]}" "${ours[@]}" "${others[@]}" --output-file deployments/requirements-cuda.txt
echo hatchling | "${compile[@]}" - --output-file deployments/requirements-build.txt
