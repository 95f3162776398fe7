#!/bin/sh
# Installs the system packages that are missing, with apt; uses sudo unless run by root.
# With the word "arm", those that `make test-arm` needs, too; with "chromium", what `make test-report` needs.
set -eu

missing=""
need() { # pkg-config name, Debian package
    pkg-config --exists "$1" 2>/dev/null || missing="$missing $2"
}

command -v pkg-config >/dev/null || missing="$missing pkg-config"
need openblas libopenblas-dev
need libzstd libzstd-dev
need json-c libjson-c-dev
need libcrypto libssl-dev
need libturbojpeg libturbojpeg0-dev
need libpng libpng-dev
need libwebp libwebp-dev
need libtiff-4 libtiff-dev
need libheif libheif-dev
need libavif libavif-dev
command -v zstd >/dev/null || missing="$missing zstd"
command -v python3 >/dev/null || missing="$missing python3"
python3 -c 'import numpy' 2>/dev/null || missing="$missing python3-numpy"
if [ "${1:-}" = arm ]; then
    command -v qemu-aarch64 >/dev/null || missing="$missing qemu-user"
    [ -e /usr/aarch64-linux-gnu/include/stdio.h ] || missing="$missing libc6-dev-arm64-cross"
    [ -e /usr/lib/gcc-cross/aarch64-linux-gnu/12/libgcc.a ] || missing="$missing libgcc-12-dev-arm64-cross"
fi
if [ "${1:-}" = chromium ]; then
    command -v chromium >/dev/null || missing="$missing chromium"
fi

[ -z "$missing" ] && exit 0
echo "installing:$missing"
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
