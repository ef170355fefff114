#!/usr/bin/env bash
# tests/coverage.sh BUILD_DIR - how many branches of the core `make test` takes, by gcov: the unit and wire
# programs (also with super-segments), the fuzz corpora, the event table and the simulator, built with --coverage.
# Prints a line for each file, each folder and all, then the branches that are not taken.
#
# What cannot or need not be taken stands in coverage.tsv with its reason: a file, words of a line, how many
# branches of that line (of all lines with those words), why. Fails if fewer than 98 % are taken, if one is not
# taken and has no reason, or if a reason is there for nothing.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tests/coverage.sh BUILD_DIR}/coverage jobs=$(nproc)
export CMOCKA_MESSAGE_OUTPUT=TAP
ulimit -s unlimited # at -O0 a test wants more than the usual stack

programs=()
for source in tests/unit/*.c tests/wire/test_*.c tests/fuzz/*.c; do
    programs+=("$build/${source%.c}")
done
mkdir -p "$build"
# the simulator's processes end by _exit, which would not write what they took
make -j"$jobs" B="$build" CC="gcc --coverage -D_exit=exit" SAN="-O0 -g" \
    "${programs[@]}" "$build/tests/event" "$build/tests/sim" >"$build.log" 2>&1 || { tail "$build.log"; exit 1; }
find "$build" -name '*.gcda' -delete

run() { # what a test says is of no interest here, but that it passes is
    timeout 1200 "$@" >/dev/null 2>&1 </dev/null || echo "failed: $*"
}
export -f run
{
    for program in "${programs[@]}"; do
        case $program in
        */fuzz/*) echo "$program tests/fuzz/corpus/${program##*/}" ;;
        */wire/test_pmtu_probes) echo "$program" ;; # its packets are of chosen sizes
        */wire/*) echo "$program" && echo "env WIRE_GSO=1 $program" ;;
        *) echo "$program" ;;
        esac
    done
    for what in event sim "sim scarce 96" "sim paths --quick --jobs $jobs" "sim relations 5"; do
        echo "$build/tests/$what"
    done
} | xargs -P "$jobs" -I{} bash -c 'run {}'

for source in src/util/*.c src/wire/*.c src/tcp/*.c src/stack/*.c; do
    gcov -b -c -t -o "$build/san/${source%.c}.o" "$source" 2>/dev/null
done | awk '
    # from gcov: for each branch its file, line, number in the line, whether it was taken, and the text of the line
    /^ *-: *0:Source:/ { file = $0; sub(/.*Source:/, "", file); next }
    /^ *([0-9]+\*?|#####|=====|-): *[0-9]+:/ {
        split($0, part, ":")
        line = part[2] + 0
        text = substr($0, index($0, part[2] ":") + length(part[2]) + 1)
        gsub(/^ +/, "", text)
    }
    /^branch +[0-9]+ / && file ~ /^src\// { print file, line, $2, ($3 == "taken" && $4 > 0), text }' |
awk -v list=tests/coverage.tsv '
    BEGIN {
        FS = "\t"
        while ((getline <list) > 0)
            if (!/^#/ && NF) {
                why[++rows] = $4; in_file[rows] = $1; words[rows] = $2; most[rows] = $3
            }
        FS = " "
    }
    { # an inline function of a header is in many objects, and one of them taking the branch is enough
        branch = $1 " " $2 " " $3
        if (!(branch in taken)) { order[++branches] = branch; says[branch] = substr($0, length(branch $4) + 3) }
        if ($4 + 0 >= taken[branch] + 0) taken[branch] = $4 + 0
    }
    function reason(file, text,    r) {
        for (r = 1; r <= rows; r++)
            if (in_file[r] == file && index(text, words[r]) && used[r] < most[r]) return r
        return 0
    }
    function percent(name) {
        hundredths = int(10000 * took[name] / all[name])
        return sprintf("%6.2f %% %5d of %5d  %s", hundredths / 100, took[name], all[name], name)
    }
    END {
        for (i = 1; i <= branches; i++) {
            split(order[i], part, " ")
            folder = part[1]; sub(/[^\/]*$/, "", folder)
            all[part[1]]++; all[folder]++; all["in all"]++
            if (taken[order[i]]) { took[part[1]]++; took[folder]++; took["in all"]++; continue }
            r = reason(part[1], says[order[i]])
            if (r) { used[r]++; excused++; continue }
            where = part[1] ":" part[2]
            if (!missing[where]++) { never[++lines] = where; text[where] = says[order[i]] }
            without++
        }
        for (name in all) if (name ~ /c$|h$/) print percent(name) | "sort -k6"
        close("sort -k6")
        for (name in all) if (name ~ /\/$/) print percent(name) | "sort -k6"
        close("sort -k6")
        print percent("in all")
        printf "not taken: %d for the reasons of %s, %d without a reason\n", excused, list, without
        for (i = 1; i <= lines; i++) printf "%3d %s: %s\n", missing[never[i]], never[i], text[never[i]]
        for (r = 1; r <= rows; r++)
            if (!used[r]) { idle++; printf "a reason for nothing: %s: %s\n", in_file[r], words[r] }
        exit without || idle || took["in all"] < 0.98 * all["in all"]
    }'
