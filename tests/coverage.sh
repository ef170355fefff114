#!/usr/bin/env bash
# tests/coverage.sh BUILD_DIR - how many branches of the core the tests take: the unit and wire programs, the fuzz
# corpora, the event table and some runs of the simulator, built with --coverage. Prints a line for each file, then
# the lines with branches that are never taken (how many, where, what).
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tests/coverage.sh BUILD_DIR}/coverage jobs=$(nproc)
export CMOCKA_MESSAGE_OUTPUT=TAP
ulimit -s unlimited # at -O0 a test wants more than the usual stack

programs=()
for source in tests/unit/*.c tests/wire/test_*.c tests/fuzz/*.c; do
    programs+=("$build/${source%.c}")
done
make -j"$jobs" B="$build" CC="gcc --coverage" SAN="-O0 -g" \
    "${programs[@]}" "$build/tests/event" "$build/tests/sim" >"$build.log" 2>&1 || { tail "$build.log"; exit 1; }
find "$build" -name '*.gcda' -delete

run() { # what a test says is of no interest here, but that it passes is
    timeout 300 "$@" >/dev/null 2>&1 </dev/null || echo "failed: $*"
}
export -f run
{
    for program in "${programs[@]}"; do
        case $program in
        */fuzz/*) echo "$program tests/fuzz/corpus/${program##*/}" ;;
        *) echo "$program" ;;
        esac
    done
    echo "$build/tests/event"
    for class in $("$build/tests/sim" --help 2>&1 | sed -n 's/^scenarios://p'); do
        for seed in 1 150 151 152; do # each in a process that ends by itself, and so writes what it took
            echo "$build/tests/sim --scenario $class --seed $seed"
        done
    done
} | xargs -P "$jobs" -I{} bash -c 'run {}'

for source in src/util/*.c src/wire/*.c src/tcp/*.c src/stack/*.c; do
    gcov -b -c -t -o "$build/san/${source%.c}.o" "$source" 2>/dev/null | awk -v file="$source" '
        /^ *([0-9]+\*?|#####|=====|-): *[0-9]+:/ {
            split($0, part, ":")
            line = part[2] + 0
            text = substr($0, index($0, part[2] ":") + length(part[2]) + 1)
        }
        /^branch +[0-9]+ / { print file, line, ($3 == "taken" && $4 > 0), text }'
done | awk '
    { all[$1]++; taken[$1] += $3; total++; took += $3; where = $1 ":" $2 }
    !$3 { missing[where]++; if (missing[where] == 1) order[++lines] = where
          text = $0; sub(/^[^ ]+ [^ ]+ [^ ]+ */, "", text); says[where] = text }
    END {
        for (file in all) printf "%6.2f %% %5d of %5d  %s\n", 100 * taken[file] / all[file], taken[file], all[file], file | "sort -k6"
        close("sort -k6")
        printf "%6.2f %% %5d of %5d  in all\n\nnever taken:\n", 100 * took / total, took, total
        for (i = 1; i <= lines; i++) printf "%3d %s: %s\n", missing[order[i]], order[i], says[order[i]]
    }'
