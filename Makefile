# SPDX-License-Identifier: Apache-2.0
# make demo | test [T=name] | check | install PREFIX=/usr/local | bench | format | clean
# make fuzz F=event_json|import|vectors|checkpoint|conf SECONDS=60 (needs clang)
# SAN=address,undefined (or thread) builds everything so, into its own folder; V=1 shows commands.

comma   := ,
BUILD   := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
PREFIX  ?= /usr/local
DESTDIR ?=
Q       := $(if $(V),,@)
CC      := gcc
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
           -Wvla -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough $(if $(WERROR),-Werror)
OPT     := $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,-O3)
CFLAGS  := -std=c17 -D_GNU_SOURCE -Iinclude -Isrc -include src/base/banned.h -g $(OPT) $(WARN) \
           -ffp-contract=off -fvisibility=hidden -fPIC -pthread -MMD -MP
LIBS    := -linih -lsqlite3 -lzstd -lz -ljansson -lm -pthread
LDFLAGS := $(if $(SAN),-fsanitize=$(SAN))

LAYERS  := base kernels behaviour privacy store model retrieval interest evidence evaluate learn policy engine
SRC     := $(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c))
OBJ     := $(SRC:src/%.c=$(BUILD)/%.o)
APP_SRC := $(wildcard src/server/*.c src/cli/*.c src/lab/*.c)
APP_OBJ := $(filter-out %/main.o,$(APP_SRC:src/%.c=$(BUILD)/%.o))
TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
# The two commands use every core, unless the caller said -j.
JOBS     = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all demo test test-long check fuzz install format bench clean
all: $(BUILD)/penchant $(BUILD)/libpenchant.a $(BUILD)/libpenchant.so

demo: .deps
	+@$(MAKE) --no-print-directory $(JOBS) all
	$(BUILD)/penchant demo $(ARGS)

test: .deps
	+@$(MAKE) --no-print-directory $(JOBS) all tests
	@tests/run $(BUILD) $(T)

test-long: .deps
	+@$(MAKE) --no-print-directory $(JOBS) all tests
	@LONG=1 tests/run $(BUILD) $(T)

.PHONY: tests .deps
tests: $(TESTS)
.deps:
	@tools/setup

check: .deps
	@tools/check

# libFuzzer over tests/fuzz, from the corpora that the ordinary tests replay. What it finds new
# stays in the build folder; what crashes it, as crash-*, there too.
FUZZ       := $(BUILD)/fuzz
SECONDS    ?= 60
F          ?= import
CORPUS_OF_event_json := http
fuzz: .deps
	@command -v clang >/dev/null || { echo "make fuzz: needs clang (apt-get install clang)" >&2; exit 1; }
	+@$(MAKE) --no-print-directory $(JOBS) BUILD=$(FUZZ) CC=clang SAN=fuzzer-no-link,address,undefined $(FUZZ)/fuzz_$(F)
	@mkdir -p $(FUZZ)/found_$(F)
	$(FUZZ)/fuzz_$(F) -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	  -artifact_prefix=$(FUZZ)/ $(FUZZ)/found_$(F) tests/data/$(or $(CORPUS_OF_$(F)),$(F))

$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/inner.a
	@echo "  FUZZ  $<"
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) $< $(BUILD)/inner.a -lmicrohttpd $(LIBS) -o $@

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

bench: all
	@bench/run $(BUILD) $(ARGS)

# One instruction set a file, and only that file gets its flag.
$(BUILD)/%_avx2.o:       CFLAGS += -mavx2 -mfma
$(BUILD)/%_avx512.o:     CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
$(BUILD)/%_avx512vnni.o: CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mprefer-vector-width=512
$(BUILD)/%_avx512bf16.o: CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma -mprefer-vector-width=512
# clang's fuzzing coverage does not come to an end with vector code.
$(BUILD)/kernels/%.o: CFLAGS += $(if $(findstring fuzzer,$(SAN)),-fno-sanitize=fuzzer-no-link)

$(BUILD)/server/openapi_text.o: docs/openapi.json

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

$(BUILD)/inner.a: $(OBJ) $(APP_OBJ)
	@rm -f $@; ar rcs $@ $^

# The shipped archive shows only penchant_ names: one relocatable object, the rest made local.
$(BUILD)/libpenchant.a: $(OBJ)
	@ld -r $^ -o $(BUILD)/libpenchant.o && objcopy --localize-hidden $(BUILD)/libpenchant.o
	@rm -f $@; ar rcs $@ $(BUILD)/libpenchant.o

$(BUILD)/libpenchant.so: $(OBJ)
	@echo "  LINK  $@"
	$(Q)$(CC) -shared -Wl,-soname,libpenchant.so.0 $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/penchant: $(BUILD)/cli/main.o $(BUILD)/inner.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDFLAGS) $^ -lmicrohttpd $(LIBS) -o $@

$(BUILD)/tests/%: tests/%.c $(BUILD)/inner.a
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	$(Q)$(CC) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $< $(BUILD)/inner.a -lcmocka -lmicrohttpd $(LIBS) -o $@

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(BUILD)/penchant $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BUILD)/libpenchant.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(BUILD)/libpenchant.so $(DESTDIR)$(PREFIX)/lib/libpenchant.so.0
	ln -sf libpenchant.so.0 $(DESTDIR)$(PREFIX)/lib/libpenchant.so
	install -m 644 include/penchant.h $(DESTDIR)$(PREFIX)/include/
	sed 's,@PREFIX@,$(PREFIX),' tools/penchant.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/penchant.pc

clean:
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
