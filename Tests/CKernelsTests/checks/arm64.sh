#!/bin/sh
# Cross-compiles the kernels for arm64 and runs each *_main.c of this folder under qemu; fails where one does.
# Needs libc6-dev-arm64-cross, libgcc-12-dev-arm64-cross and qemu-user. CLANG names a clang with lld beside it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../../Sources/CKernels
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for main in "$here"/*_main.c; do
    program=$build/$(basename "$main" .c)
    "${CLANG:-clang}" --target=aarch64-linux-gnu -O2 -Wall -Wextra -Werror -isystem /usr/aarch64-linux-gnu/include \
        -fuse-ld=lld -static --sysroot=/ -B/usr/lib/gcc-cross/aarch64-linux-gnu/12 -L/usr/aarch64-linux-gnu/lib \
        -L/usr/lib/gcc-cross/aarch64-linux-gnu/12 -rtlib=libgcc -pthread -I"$kernels/include" \
        "$main" "$kernels"/*.c -lm -o "$program"
    qemu-aarch64 "$program"
done
