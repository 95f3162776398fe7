#!/bin/sh
# The demo: demo.sh BIN WORK. Converts the small checkpoint of Tests/Fixtures, quantizes it to int8 and int4, asks all of
# them about a picture, and prints what quantization cost.
set -eu
bin=$1
work=$2
fixtures=$(dirname "$0")/../Fixtures
picture=$fixtures/demo-pictures/scene_0.png
question="Describe the picture."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
mkdir -p "$work"

say "Convert: a published checkpoint becomes one file"
"$bin/tessera-from-qwen2-vl" "$fixtures/demo-qwen2-vl" -o "$work/demo.tessera" --force

say "Quantize: int8 and int4 groups"
"$bin/tessera-quantize" "$work/demo.tessera" -o "$work/demo-int8.tessera" --recipe int8 --force
"$bin/tessera-quantize" "$work/demo.tessera" -o "$work/demo-int4.tessera" --recipe int4 --force
"$bin/tessera-inspect" "$work/demo-int4.tessera" --verify

say "Ask: $question ($picture)"
for model in demo demo-int8 demo-int4; do
    printf '%-10s ' "$model"
    "$bin/tessera-run" "$work/$model.tessera" --image "$picture" -p "$question"
done

say "What int4 cost, and where, with the picture in the prompt"
"$bin/tessera-diff" "$work/demo.tessera" "$work/demo-int4.tessera" --image "$picture" -p "$question" --attribute \
    --html "$work/report.html" --force
echo "The same as a page: $work/report.html"

say "What it cost in right answers, over all pictures and questions"
for model in demo demo-int8 demo-int4; do
    "$bin/tessera-diff" "$work/$model.tessera" --answers "$fixtures/demo-pictures/answers.json"
done
