#!/bin/sh
# Measures quantized bundles beside llama.cpp's formats, on the same model, texts and windows, and prints a table in Markdown.
#
#   LLAMA_CPP=…     llama.cpp's sources, with llama-quantize, llama-imatrix and llama-perplexity built in build/bin
#   CHECKPOINT=…    a Qwen2, Qwen2-VL or Qwen2.5-VL checkpoint; its language model is measured
#   TEXTS=…         the folder that peer_texts.py wrote
#   WORK=…          a folder for everything that is made; some gigabytes while it runs
# and optionally
#   TESSERA=…       the folder of the commands (.build/release)
#   CONVERTER=…     the converter of this repository (tessera-from-qwen2-vl)
#   PYTHON=…        a Python with numpy, safetensors, gguf, tokenizers, torch and transformers (python3)
#   FORMATS=…       llama.cpp's; FORMAT:plain is made without an importance matrix
#   BITS=…          ours (5.13 4.6 8.5)
#   GENRES=…        texts to measure over (book licenses novel german python)
#   CALIBRATION=…   the text to calibrate with, never measured (handbook)
#   TOKENS=…        tokens to calibrate with (65536); CHUNKS=… windows to measure (32); THREADS=…
#   CALIBRATED=…    a file that tessera-calibrate made with the same checkpoint and text, instead of making one
#
# What is in WORK already is not made again, so a run that was stopped goes on. Remove WORK/ours to measure another build, and
# WORK/peer to measure another llama.cpp.
set -eu
: "${LLAMA_CPP:?}" "${CHECKPOINT:?}" "${TEXTS:?}" "${WORK:?}"
here=$(cd "$(dirname "$0")" && pwd)
tessera=${TESSERA:-$here/../../.build/release}
converter=${CONVERTER:-tessera-from-qwen2-vl}
python=${PYTHON:-python3}
formats=${FORMATS:-Q4_K_M Q4_K_M:plain IQ4_XS Q4_0 Q8_0}
bits=${BITS:-5.13 4.6 8.5}
genres=${GENRES:-book licenses novel german python}
calibration=$TEXTS/${CALIBRATION:-handbook}.txt
tokens=${TOKENS:-65536}
chunks=${CHUNKS:-32}
threads=${THREADS:-$(nproc)}
window=512
peer=$WORK/peer
ours=$WORK/ours
mkdir -p "$peer" "$ours"

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }

# Runs a command whose output is a result; nothing of that name stays if it fails.
keep() { # result, command...
    result=$1
    shift
    [ -s "$result" ] && return
    say "$(basename "$result")"
    "$@" >"$result.part" 2>"$result.log" || {
        tail -n 20 "$result.log" >&2
        exit 1
    }
    mv "$result.part" "$result"
}

# llama.cpp's tools report on stderr.
llama() {
    tool=$1
    shift
    "$LLAMA_CPP/build/bin/llama-$tool" "$@" 2>&1
}

# The padded checkpoint in float32, the reference; a copy in bf16, which the weights were, for the importance matrix: it is
# several times as fast.
convert_for_llama() {
    "$python" "$here/pad_checkpoint.py" "$CHECKPOINT" "$peer/padded" &&
        "$python" "$here/peer_gguf.py" "$LLAMA_CPP" "$peer/padded" "$peer/base.gguf" &&
        rm -r "$peer/padded" &&
        llama quantize "$peer/base.gguf" "$peer/bf16.gguf" BF16 "$threads" &&
        llama imatrix -m "$peer/bf16.gguf" -f "$calibration" -c $window --chunks $((tokens / window)) -t "$threads" \
            --no-ppl --output-format gguf -o "$peer/imatrix.gguf" &&
        rm "$peer/bf16.gguf"
}

quantize_for_llama() { # format, or format:plain
    case $1 in
    *:plain) llama quantize "$peer/base.gguf" "$peer/$1.gguf" "${1%:plain}" "$threads" ;;
    *) llama quantize --imatrix "$peer/imatrix.gguf" "$peer/base.gguf" "$peer/$1.gguf" "$1" "$threads" ;;
    esac
}

# The reference's probabilities over a text; large, so they are removed once every format is compared.
llama_base() {
    llama perplexity -m "$peer/base.gguf" -f "$TEXTS/$1.txt" -c $window --chunks "$chunks" -t "$threads" \
        --kl-divergence-base "$peer/$1.base"
}

llama_divergence() { # genre, format
    llama perplexity -m "$peer/$2.gguf" -c $window -t "$threads" --kl-divergence --kl-divergence-base "$peer/$1.base"
}

compare_llama() { # genre
    left=""
    for format in $formats; do
        [ -s "$peer/$1-$format.txt" ] || left="$left $format"
    done
    [ -n "$left" ] || return 0
    [ -s "$peer/$1.base" ] || rm -f "$peer/$1-base.txt"
    keep "$peer/$1-base.txt" llama_base "$1"
    keep "$peer/$1-tokens.txt" "$python" "$here/peer_table.py" tokens "$peer/$1.base" "$TEXTS/$1.txt" "$CHECKPOINT/tokenizer.json"
    for format in $left; do
        keep "$peer/$1-$format.txt" llama_divergence "$1" "$format"
    done
    rm "$peer/$1.base"
}

keep "$peer/convert.txt" convert_for_llama
for format in $formats; do
    keep "$peer/quantize-$format.txt" quantize_for_llama "$format"
done

# Both write their files whole or not at all.
[ -s "$ours/base.tessera" ] || "$tessera/$converter" "$CHECKPOINT" -o "$ours/base.tessera" >&2
calibrated=${CALIBRATED:-$ours/calibrated.cal}
[ -s "$calibrated" ] || "$tessera/tessera-calibrate" "$ours/base.tessera" --data "$calibration" --tokens "$tokens" \
    --window $window -t "$threads" -o "$calibrated" >&2
for target in $bits; do
    keep "$ours/quantize-$target.json" "$tessera/tessera-quantize" "$ours/base.tessera" --calibration "$calibrated" \
        --bits "$target" -t "$threads" -o "$ours/$target.tessera" --force --json
done

for genre in $genres; do
    compare_llama "$genre"
    for target in $bits; do
        keep "$ours/$genre-$target.json" "$tessera/tessera-diff" "$ours/base.tessera" "$ours/$target.tessera" \
            --text "$TEXTS/$genre.txt" --ctx $window --chunks "$chunks" -t "$threads" \
            --keep-base "$ours/$genre.base" --json
    done
    rm -f "$ours/$genre.base"
done
"$python" "$here/peer_table.py" table "$WORK" "$formats" "$bits" "$genres"
