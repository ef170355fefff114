# libmytcp. `make` builds, `make test` tests, `make demo` shows; see README.md.
CC      ?= gcc
CLANG   ?= clang
WARN    := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Werror
CPPFLAGS += -D_GNU_SOURCE
OPT     ?= -O2 -g
BASE     = -std=c11 $(WARN) $(CPPFLAGS) -MMD -MP -fPIC -fvisibility=hidden
SAN     := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
PREFIX  ?= /usr/local
B       ?= build

CORE    := $(wildcard src/util/*.c src/wire/*.c src/tcp/*.c src/stack/*.c)
LIB     := $(CORE) $(wildcard src/linux/*.c)
TOOLS   := $(notdir $(patsubst %/,%,$(dir $(wildcard tools/*/main.c))))
LWIP    := $(if $(wildcard /usr/include/lwip/lwip/sockets.h),$(B)/tests/lwip)
TESTS   := $(basename $(wildcard tests/unit/*.c tests/wire/test_*.c tests/fuzz/*.c))

# $(call objects,flavour,sources)
objects  = $(patsubst %.c,$(B)/$(1)/%.o,$(2))

all: $(B)/libmytcp.a $(B)/libmytcp.so $(addprefix $(B)/,$(TOOLS))

$(B)/rel/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(OPT) -Isrc -Iinclude -Itests -c $< -o $@
$(B)/san/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(SAN) -Isrc -Iinclude -Itests -c $< -o $@

$(B)/libmytcp.a: $(call objects,rel,$(LIB))
	@rm -f $@
	$(AR) rcs $@ $^
$(B)/libmytcp.so: $(call objects,rel,$(LIB))
	$(CC) -shared -Wl,-soname,libmytcp.so.0 -o $@ $^ -pthread
$(B)/libmytcp-san.a: $(call objects,san,$(LIB))
	@rm -f $@
	$(AR) rcs $@ $^

# A program is a folder of tools/ with a main.c; tools/lib is what they share.
define TOOL
$(B)/$(1): $(call objects,rel,$(wildcard tools/$(1)/*.c tools/lib/*.c)) $(B)/libmytcp.a
	$(CC) -o $$@ $$^ -pthread
endef
$(foreach t,$(TOOLS),$(eval $(call TOOL,$(t))))

# unit and wire tests: a program a file, with the support of tests/lib; sanitized
$(B)/tests/%: $(B)/san/tests/%.o $(call objects,san,$(wildcard tests/lib/*.c)) $(B)/libmytcp-san.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ -lcmocka -pthread
# a fuzz target without the fuzzer, which replays inputs
$(B)/tests/fuzz/%: $(B)/san/tests/fuzz/%.o $(call objects,san,$(wildcard tests/fuzz/lib/*.c)) $(B)/libmytcp-san.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^
# the event table
$(B)/tests/event: $(call objects,san,$(wildcard tests/event/*.c)) $(B)/libmytcp-san.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^
# the simulator, sanitized and fast, and the live clients
$(B)/tests/sim-fast: $(call objects,rel,$(wildcard tests/sim/*.c)) $(B)/libmytcp.a
	@mkdir -p $(@D)
	$(CC) -o $@ $^ -lm
$(B)/tests/sim: $(call objects,san,$(wildcard tests/sim/*.c)) $(B)/libmytcp-san.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ -lm
$(B)/tests/live: $(call objects,rel,$(wildcard tests/live/*.c)) $(B)/libmytcp.a | $(LWIP)
	@mkdir -p $(@D)
	$(CC) -o $@ $^ -pthread
# the same scripts for Linux and for libmytcp
$(B)/tests/differ: $(call objects,rel,$(wildcard tests/differ/*.c)) $(B)/libmytcp.a
	@mkdir -p $(@D)
	$(CC) -o $@ $^
$(B)/tests/lwip: tests/live/lwip/main.c # lwIP as another end of the live tests
	@mkdir -p $(@D)
	$(CC) $(BASE) $(OPT) -isystem /usr/include/lwip -o $@ $< -llwip -pthread
$(B)/tests/bench: $(call objects,rel,$(wildcard tests/bench/*.c)) $(B)/libmytcp.a
	@mkdir -p $(@D)
	$(CC) -o $@ $^ -pthread
# what a packet costs under attack: in nanoseconds, and in steps
$(B)/steps/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) -O1 -fsanitize-coverage=trace-pc -Isrc -Iinclude -c $< -o $@
$(B)/tests/costs: $(B)/rel/tests/costs/main.o $(B)/libmytcp.a
	$(CC) -o $@ $^
$(B)/tests/steps: $(B)/rel/tests/costs/main.o $(call objects,steps,$(CORE))
	$(CC) -o $@ $^

.SECONDARY:
.PHONY: all test sim demo bench bench-paths soak instruments check matrix coverage mutate fuzz \
        install clean

test:
	tests/deps.sh test
	$(MAKE) -j$$(nproc) all $(TESTS:%=$(B)/%) $(B)/tests/event $(B)/tests/sim $(B)/tests/sim-fast \
	    $(B)/tests/live $(B)/tests/differ $(B)/tests/steps
	tests/run.sh $(B)

sim:
	tests/deps.sh test
	$(MAKE) -j$$(nproc) $(B)/tests/sim-fast
	tests/sim/run.sh $(B)

demo:
	tests/deps.sh demo
	$(MAKE) -j$$(nproc) all
	tools/demo.sh $(B)

bench:
	tests/deps.sh bench
	$(MAKE) -j$$(nproc) all $(B)/tests/bench $(B)/tests/costs
	tests/bench/run.sh $(B)
	$(B)/tests/costs

bench-paths:
	tests/deps.sh bench
	$(MAKE) -j$$(nproc) all $(B)/tests/bench
	tests/bench/paths.sh $(B)
	tests/bench/fair.sh $(B)

soak:
	tests/deps.sh test
	$(MAKE) -j$$(nproc) all $(B)/tests/live
	tests/soak/run.sh $(B)

instruments:
	tests/deps.sh instruments
	tests/instruments/run.sh $(B)

check:
	tests/deps.sh check
	tests/check.sh $(B)

# branches of the core that the tests take, and those they do not
coverage:
	tests/deps.sh test
	tests/coverage.sh $(B)

# the core broken in 500 places, one at a time: does a test fail?
mutate:
	tests/deps.sh test
	CC="$(CC)" tests/mutate/run.sh $(B) $(MUTANTS) $(SEED)

# each requirement and attack with the tests that answer it
matrix:
	tests/matrix/matrix.sh

fuzz:
	tests/deps.sh fuzz
	tests/fuzz/run.sh $(B)

install: all
	install -d $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/bin
	install -m 644 include/mytcp.h include/mytcp_tun.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(B)/libmytcp.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(B)/libmytcp.so $(DESTDIR)$(PREFIX)/lib/libmytcp.so.0
	ln -sf libmytcp.so.0 $(DESTDIR)$(PREFIX)/lib/libmytcp.so
	install -m 755 $(B)/mytcp-echo $(B)/mytcp-nc $(B)/mytcp-link $(DESTDIR)$(PREFIX)/bin

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
