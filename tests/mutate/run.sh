#!/usr/bin/env bash
# tests/mutate/run.sh BUILD_DIR [COUNT [SEED]] - do the tests notice when the core is broken? COUNT
# places of the core (500), drawn by SEED (1), are broken one at a time (main.c says how), and the
# tests that go over the line run until one fails. A mutant that does not compile without a warning,
# or compiles to what was there before, does not count, and another is drawn. Killed is: a test
# fails, crashes, or takes more than ten times its time.
#
# The tests are linked to the core as a shared library, so that a mutant costs one file and one
# link. Which test goes over which line is found with gcov. First comes who has killed most of the
# file's mutants, then the quickest. What is left alive must also go under ASan and UBSan, and be as
# quick as before (tests/costs).
#
# A survivor is a missing test, or stands in survivors.tsv with the reason why none can kill it. The
# last lines are those which do not, and `N mutants, N killed, N explained, N alive`. Where it was
# broken off it goes on, and who is alive is tried again.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:?usage: tests/mutate/run.sh BUILD_DIR [COUNT [SEED]]}/mutate count=${2:-500} seed=${3:-1}
plain=$build/plain lines=$build/lines set=$build/seed-$seed
jobs=${JOBS:-$(nproc)} make=${MAKE:-make} cc=${CC:-gcc}
warn="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Werror"
flags="-O1 -fvisibility=default -fno-semantic-interposition"
san=$build/san sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all"
include="-Isrc -Iinclude -Itests"
core="src/util/*.c src/wire/*.c src/tcp/*.c src/stack/*.c" # a pattern: functions run in shells of their own
mapped='tests/(unit|wire)/' # which tests are looked at with gcov
export build plain lines san sanitize set cc warn flags include core mapped
export CMOCKA_MESSAGE_OUTPUT=TAP MALLOC_PERTURB_=165 # what was never written is no zero
mkdir -p "$set" "$lines/map"

# ---- tests: $build/tests has a line for each: seconds of CPU, name, command

tests() { # FOLDER OF PROGRAMS
    local source name
    for source in tests/unit/*.c tests/wire/test_*.c; do
        echo "${source%.c} $1/${source%.c}"
    done
    for source in tests/fuzz/*.c; do
        name=${source%.c}
        echo "$name $1/$name tests/fuzz/corpus/${name##*/}"
    done
    for name in established states close_loss sack_attacks super_segments urgent zero_window; do
        name=tests/wire/test_$name # see tests/wire/shifts.sh
        echo "$name+gso env WIRE_GSO=1 $1/$name"
        echo "$name+wrap env WIRE_ISS=0xfffff830 WIRE_IRS=0x7ffffffe $1/$name"
    done
    echo "tests/event $1/tests/event"
    echo "tests/sim $1/tests/sim --times 1 --jobs 1"
    echo "tests/scarce $1/tests/sim scarce 24 --jobs 1"
    echo "tests/paths $1/tests/sim paths --quick --jobs 1"
    echo "tests/relations $1/tests/sim relations 1"
}

programs() { # FOLDER OF PROGRAMS
    tests "$1" | grep -o "$1/tests/[^ ]*" | sort -u
}

# Each program anew, with the core beside it as a library.
link_programs() { # FOLDER FLAGS
    local program parts
    # shellcheck disable=SC2046
    $make -s -j"$jobs" B="$1" CC="$cc" SAN="$2" $(programs "$1") || return 1
    link "$1/libcore.so" "$1" "$2" || return 1
    for program in $(programs ""); do
        parts=("$1/san$program.o")
        case $program in
        /tests/event) parts=("$1"/san/tests/event/*.o) ;;
        /tests/sim) parts=("$1"/san/tests/sim/*.o) ;;
        /tests/fuzz/*) parts+=("$1"/san/tests/fuzz/lib/*.o) ;;
        *) parts+=("$1"/san/tests/lib/*.o) ;;
        esac
        # shellcheck disable=SC2086
        $cc $2 -o "$1$program" "${parts[@]}" "$1/libcore.so" -lcmocka -pthread -lm || return 1
    done
}

# link LIBRARY FOLDER FLAGS [SOURCE OBJECT]: the core, where OBJECT is what SOURCE was compiled to.
link() {
    local source objects=()
    for source in src/*/*.c; do
        [ "$source" = "${4-}" ] && objects+=("$5") || objects+=("$2/san/${source%.c}.o")
    done
    # shellcheck disable=SC2086
    $cc $3 -shared -Wl,-soname,libcore.so -o "$1" "${objects[@]}" -pthread
}

# run FOLDER OF THE LIBRARY, SECONDS OF CPU, COMMAND...: does the test pass? One that sleeps for
# ever fails, too.
run() {
    local library=$1 limit=$2
    shift 2
    { # the shell itself would say that a test crashed
        (
            ulimit -t "$limit" -c 0
            LD_LIBRARY_PATH=$library timeout 600 "$@"
        ) >/dev/null 2>&1 </dev/null
    } 2>/dev/null
}

# The tests that pass, with their time; and for each, the lines that it goes over. A line with no
# code of its own goes with the one before. Who is no unit or wire test goes over all.
find_lines() {
    local name command spent looked
    looked=$(programs "$lines" | grep -E "$mapped")
    # shellcheck disable=SC2086
    $make -s -j"$jobs" B="$lines" CC="$cc --coverage" SAN="-O0 -g" $looked || return 1
    tests "$lines" | grep -E "$mapped" | while read -r name command; do
        mkdir -p "$lines/map/${name%/*}"
        [ "$lines/map/$name" -nt "$(grep -o "$lines/tests/[^ ]*" <<<"$command")" ] && continue
        find "$lines/san" -name '*.gcda' -delete
        (
            ulimit -s unlimited # at -O0 they want more than the usual
            $command >/dev/null 2>&1 </dev/null
        )
        find "$lines/san/src" -name '*.gcda' -exec gcov -t {} + 2>/dev/null | awk -F: '
            { gsub(/ /, "", $1); line = $2 + 0 }
            !line && $3 == "Source" { file = $4; went = 0 }
            !line { next }
            $1 != "-" { went = $1 !~ /^[#=]/ }
            went { print file ":" line }' | sort -u >"$lines/map/$name"
    done
    tests "$plain" | while read -r name command; do
        # shellcheck disable=SC2086
        if spent=$({ time run "$plain" 300 $command; } 2>&1); then
            echo "$spent $name $command"
        else
            echo "$name fails with nothing broken, and is left out" >&2
        fi
    done | sort -n >"$build/tests"
}
TIMEFORMAT=%U

# ---- mutants: $set/N holds the source and the object, `what` was changed, and the `verdict`

compile() { # SOURCE OBJECT OPTION...
    local source=$1 object=$2
    shift 2
    # shellcheck disable=SC2086
    $cc -std=c11 $warn -D_GNU_SOURCE -fPIC $flags "$@" $include \
        -fmacro-prefix-map="${source%/src/*}/=" -c "$source" -o "$object" 2>/dev/null
}

# One more mutant, or 1 if this change makes none.
make_mutant() { # N FILE LINE OFFSET LENGTH OPERATOR REPLACEMENT
    local mutant=$set/$1 file=$2 sum
    mkdir -p "$mutant/${file%/*}"
    "$build/mutants" --apply "$file" "$4" "$5" "${7-}" >"$mutant/$file"
    compile "$mutant/$file" "$mutant/mutant.o" -iquote "${file%/*}" || return 1
    sum=$(md5sum <"$mutant/mutant.o")
    grep -qxF "$file $sum" "$set/seen" && return 1
    echo "$file $sum" >>"$set/seen"
    {
        echo "$file:$3"
        echo "$6"
        sed -sn "$3s/^ *//p" "$file" "$mutant/$file"
    } >"$mutant/what"
}

# Prints the numbers of COUNT mutants, as they come to be.
make_mutants() {
    local n=0 made=0 change source file
    for source in $core; do # what compiles to this has not changed
        echo "$source $(md5sum <"$plain/san/${source%.c}.o")"
    done >"$set/seen"
    while [ "$made" -lt "$count" ] && IFS=$'\t' read -r -a change; do
        n=$((n + 1))
        [ -e "$set/$n/none" ] && continue
        if [ -e "$set/$n/what" ]; then
            file=$(head -n 1 "$set/$n/what")
            echo "${file%:*} $(md5sum <"$set/$n/mutant.o")" >>"$set/seen"
        elif ! make_mutant "$n" "${change[@]}"; then
            touch "$set/$n/none"
            continue
        fi
        made=$((made + 1))
        echo "$n"
    # shellcheck disable=SC2086
    done < <("$build/mutants" --seed "$seed" $core)
}

# The tests that go over a line: those first that have killed most in this file, then the quickest.
killers() { # FILE:LINE
    grep -rlxF "$1" "$lines/map" | sed "s|^$lines/map/||" |
        awk -v file="${1%:*}" -v mapped="^$mapped" '
            FILENAME == ARGV[1] { kills[$2] += $1 == file; next }
            FILENAME == ARGV[2] { over[$1] = 1; next }
            $2 in over || $2 !~ mapped { print kills[$2] + 0, $0 }
        ' "$build/kills" - "$build/tests" | sort -s -k1,1nr | cut -d' ' -f2-
}

# Does a test that goes over WHERE fail with this library? It is named on standard output.
killer() { # FOLDER OF THE LIBRARY, WHERE, FOLDER OF THE PROGRAMS, TIMES SLOWER
    local seconds name command
    while read -r seconds name command; do
        seconds=${seconds%.*}
        # shellcheck disable=SC2086
        run "$1" $(((10 * seconds + 13) * $4)) ${command//"$plain"/"$3"} && continue
        echo "$name"
        return
    done < <(killers "$2")
    return 1
}

judge() { # N
    local mutant=$set/$1 where file name
    grep -qs ^killed "$mutant/verdict" && return
    where=$(head -n 1 "$mutant/what") file=${where%:*}
    link "$mutant/libcore.so" "$plain" "" "$file" "$mutant/mutant.o" || return
    if name=$(killer "$mutant" "$where" "$plain" 1); then
        echo "$file $name" >>"$build/kills"
    elif name=$(killer_sanitized "$mutant" "$where"); then
        name+=", sanitized"
    elif is_slower "$mutant" "$file"; then
        name=tests/steps
    fi
    rm -f "$mutant/libcore.so"
    [ -n "$name" ] && echo "killed by $name" >"$mutant/verdict" || echo alive >"$mutant/verdict"
}

killer_sanitized() { # MUTANT WHERE
    local file=${2%:*}
    # shellcheck disable=SC2086
    compile "$1/$file" "$1/san.o" $sanitize -iquote "${file%/*}" &&
        link "$1/libcore.so" "$san" "$sanitize" "$file" "$1/san.o" && killer "$1" "$2" "$san" 5
}

is_slower() { # MUTANT FILE
    local objects=("$1/steps.o") source
    compile "$1/$2" "$1/steps.o" -fsanitize-coverage=trace-pc -iquote "${2%/*}" || return
    for source in $core; do
        [ "$source" != "$2" ] && objects+=("$plain/steps/${source%.c}.o")
    done
    $cc -o "$1/steps" "$plain/rel/tests/costs/main.o" "${objects[@]}" || return
    ! run "$plain" 60 "$1/steps" 100000
}

export -f judge killer killer_sanitized killers is_slower run link compile

# ---- all of it

report() {
    local mutant explained=tests/mutate/survivors.tsv
    for mutant in "$set"/*/what; do
        [ -e "${mutant%what}verdict" ] || continue
        { cat "${mutant%what}verdict" "$mutant"; } | paste -s -d '\t'
    done | awk -F '\t' '
        NR == FNR { why[$1 FS $2 FS $3] = $4; next }
        { all++; where = $2; sub(/:.*/, "", where) }
        $1 != "alive" { killed++; next }
        (where FS $4 FS $5) in why { explained++; next }
        { alive++; print "alive: " $2 ": " $3 ": " $4 "\n    " $5 }
        END {
            printf "%d mutants, %d killed, %d explained, %d alive\n", all, killed, explained, alive
        }' "$explained" -
}

if find src include -newer "$set/seen" -name '*.[ch]' 2>/dev/null | grep -q .; then
    rm -rf "$set" # mutants of another core
fi
mkdir -p "$set" && touch "$build/kills"
$cc -std=c11 -O1 -Itests -D_GNU_SOURCE -o "$build/mutants" tests/mutate/*.c || exit 1
link_programs "$plain" "$flags" && link_programs "$san" "$flags $sanitize" && find_lines || exit 1
$make -s -j"$jobs" B="$plain" CC="$cc" "$plain/tests/steps" || exit 1
# shellcheck disable=SC2016
make_mutants | xargs -P "$jobs" -n 1 bash -c 'judge "$0"'
report
