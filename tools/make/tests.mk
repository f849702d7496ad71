# Tests. A unit test or fuzz target names the sources it is linked with in its own text:
# `/* links: kernel/lib/a.c kernel/mem/b.c */`; tools/make/links makes rules of these lines.

UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
UNIT := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ := $(FUZZ_SOURCES:tests/fuzz/%.c=$(BUILD)/fuzz/%)

HOST_CFLAGS := -std=gnu17 -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	$(WARNINGS) -MMD -MP -I. -isystem $(DEPS)/libyaml/include
HOST_LIBS := $(DEPS)/libyaml/lib/libyaml-host.a
UNIT_CC := gcc $(HOST_CFLAGS) -fsanitize=address,undefined
FUZZ_CC := clang $(HOST_CFLAGS) -fsanitize=fuzzer,address,undefined

$(BUILD)/unit/obj/%.c.o: %.c $(STAMP_libyaml)
	@mkdir -p $(@D)
	$(call say,CC) $(UNIT_CC) -c $< -o $@

$(BUILD)/fuzz/obj/%.c.o: %.c $(STAMP_libyaml)
	@mkdir -p $(@D)
	$(call say,CC) $(FUZZ_CC) -c $< -o $@

$(UNIT):
	$(call say,LD) $(UNIT_CC) -o $@ $(filter %.o,$^) $(HOST_LIBS) -lcmocka

$(FUZZ):
	$(call say,LD) $(FUZZ_CC) -o $@ $(filter %.o,$^) $(HOST_LIBS)

$(BUILD)/links.mk: $(UNIT_SOURCES) $(FUZZ_SOURCES) tools/make/links
	@mkdir -p $(@D)
	@tools/make/links $(BUILD) $(UNIT_SOURCES) $(FUZZ_SOURCES) >$@
include $(BUILD)/links.mk

unit: $(UNIT)
	@tools/test/run --unit $(UNIT)

# Seconds for each target.
SECONDS ?= 60
fuzz: $(FUZZ)
	@tools/test/run --fuzz-seconds $(SECONDS) --fuzz $(FUZZ)

-include $(shell find $(BUILD)/unit $(BUILD)/fuzz -name '*.d' 2>/dev/null)
