#!/bin/bash
# Feeds each reader what libFuzzer thinks of, and prints a line for each; fails where an input ends a reader.
#   run.sh RUNS [TARGET...]
# The environment may set SEED (0: another one each time; anything else starts from the seeds alone, so that it repeats)
# and SANITIZE=address. Inputs that ended a reader, and logs, lie in .build-fuzz/found; what was learnt, in .build-fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=$1
shift
seed=${SEED:-0}
scratch=.build-fuzz${SANITIZE:+-$SANITIZE}
export TESSERA_FUZZ=1 SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1

# Optimised, but with the checks of debug builds: reading beside a buffer ends the program.
"${SWIFT:-swift}" build -c release --product tessera-fuzz --scratch-path "$scratch" --sanitize fuzzer \
    ${SANITIZE:+--sanitize "$SANITIZE"} -Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug >&2
fuzz=$scratch/release/tessera-fuzz
mkdir -p "$scratch/found"
rm -rf "$scratch/seeds"
"$fuzz" prepare "$scratch/seeds" >"$scratch/targets"

printf '%-18s %12s %9s %8s  %s\n' target executions exec/s coverage result
failed=0
while read -r target length; do
    [ $# -eq 0 ] || [[ " $* " == *" $target "* ]] || continue
    corpus=$scratch/corpus/$target
    [ "$seed" = 0 ] || corpus=$scratch/slice/$target
    [ "$seed" = 0 ] || rm -rf "$corpus"
    mkdir -p "$corpus"
    log=$scratch/found/$target.log
    result=passed
    words=$scratch/seeds/$target.dict
    [ -s "$words" ] || words=
    "$fuzz" "$corpus" "$scratch/seeds/$target" ${words:+-dict="$words"} -runs="$runs" -seed="$seed" \
        -max_len="$length" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$scratch/found/$target-" -ignore_remaining_args=1 "$target" 2>"$log" || result="FAILED: see $log"
    [ "$result" = passed ] || failed=1
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-18s %12s %9s %8s  %s\n' "$target" "${executions:-?}" "${speed:-?}" "${coverage:-?}" "$result"
done <"$scratch/targets"
exit $failed
