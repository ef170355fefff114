#!/usr/bin/env bash
# tests/fuzz/run.sh BUILD_DIR [TARGET...] - fuzz each target (tests/fuzz/*.c) for FUZZ_SECONDS (20),
# starting from tests/fuzz/corpus/TARGET and from what earlier runs left in BUILD_DIR/fuzz/corpus.
# A finding ends the target's run; its input is kept in BUILD_DIR/fuzz/findings, and
# `make BUILD_DIR/tests/fuzz/TARGET && BUILD_DIR/tests/fuzz/TARGET INPUT` replays it.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:?usage: tests/fuzz/run.sh BUILD_DIR [TARGET...]}/fuzz
shift
seconds=${FUZZ_SECONDS:-20}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
# the targets count their memory themselves
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=8:malloc_context_size=4:detect_leaks=0}
sanitizers=address,undefined

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for source in tests/fuzz/*.c; do
        targets+=("$(basename "$source" .c)")
    done
fi

# The Makefile's sanitized objects once more, but of clang and counting the edges taken. Comparisons
# are not traced: that costs most of the speed, and what a packet needs to get in, the targets know.
shared=()
for source in tests/fuzz/lib/*.c; do
    [ "$source" = tests/fuzz/lib/replay.c ] || shared+=("$build/san/${source%.c}.o")
done
objects=("${targets[@]/#/$build/san/tests/fuzz/}")
san="-O1 -g -fsanitize=$sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
san="$san -fsanitize-coverage=inline-8bit-counters,pc-table"
clang=${CLANG:-clang}
${MAKE:-make} -s -j"$(nproc)" "B=$build" "CC=$clang" "SAN=$san" \
    "$build/libmytcp-san.a" "${objects[@]/%/.o}" "${shared[@]}" || exit 1

# run_target NAME: fuzz, and one line about it
run_target() {
    local name=$1 corpus=$build/corpus/$1 log=$build/$1.log status
    mkdir -p "$corpus" "$build/findings"
    "$clang" -fsanitize="fuzzer,$sanitizers" -o "$build/$name" "$build/san/tests/fuzz/$name.o" \
        "${shared[@]}" "$build/libmytcp-san.a" || return 1
    "$build/$name" -max_total_time="$seconds" -max_len=2048 -len_control=20 -timeout=10 -entropic=0 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
        "$corpus" "tests/fuzz/corpus/$name" >"$log" 2>&1
    status=$?
    awk -v name="$name" '
        function after(word, i) { for (i = 2; i < NF; i++) if ($i == word) return $(i + 1) }
        /^#[0-9].* cov: / { cov = after("cov:"); corpus = after("corp:") }
        /^stat::number_of_executed_units/ { units = $2 }
        END {
            printf "%-8s %10d executions %6d edges   corpus %-12s", name, units, cov, corpus
        }
    ' "$log"
    if [ $status = 0 ]; then
        echo "  ok"
    else
        echo "  FAILED"
        grep -av '^#' "$log" | tail -n 60
    fi
    return $status
}

failed=0
for name in "${targets[@]}"; do
    run_target "$name" || failed=1
done
exit $failed
