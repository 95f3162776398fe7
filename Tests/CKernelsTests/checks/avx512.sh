#!/bin/sh
# Builds the kernels with those of AVX-512 and AVX-VNNI on emulated instructions, and runs each *_main.c of this folder; fails
# where one does. Needs a processor with AVX2. CLANG names a clang.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../../Sources/CKernels
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
compile() { "${CLANG:-clang}" -O2 -Wall -Wextra -Werror -Wno-psabi -Wno-pass-failed -I"$kernels/include" "$@"; }
for source in "$kernels"/*.c; do
    object=$build/$(basename "$source" .c).o
    case $source in
    *_avx512.c)
        # The target goes: the compiler would use its instructions anywhere.
        compile -mavx2 -mfma -mf16c -I"$here/avx512" "-Dtarget(...)=annotate(\"\")" -c "$source" -o "$object" ;;
    *_avxvnni.c)
        compile -mavx2 -mfma -mf16c -include "$here/avxvnni/dpbusd.h" "-Dtarget(...)=annotate(\"\")" -c "$source" -o "$object" ;;
    */isa.c) compile -I"$here/avxvnni" "-D__builtin_cpu_supports(name)=1" -c "$source" -o "$object" ;;
    *) compile -c "$source" -o "$object" ;;
    esac
done
for main in "$here"/*_main.c; do
    compile -I"$kernels" "$main" "$build"/*.o -lm -pthread -o "$build/program"
    "$build/program"
done
