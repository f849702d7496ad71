# The front door: `make help` lists what there is. The rules themselves are in tools/make/;
# everything that is built goes under build/ (or $(DEPS), for the libraries).

# What can be built at once is; `make -j1` does one thing after the other.
MAKEFLAGS += -j$(shell nproc)

BUILD := build
DEPS ?= $(BUILD)/deps

# What a rule says instead of its command line; `make V=1` shows the command lines.
say = $(if $(V),,@printf '  %-5s %s\n' $(1) '$(or $(2),$@)';)

.PHONY: help run image kernel deps test test-long unit stress fuzz check check-config bench clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := kernel

help:
	@echo 'make run           build everything and start the sample machine, three guests, in QEMU'
	@echo 'make run-intel     the same on an Intel machine, in Bochs'
	@echo 'make image         write $(BUILD)/bulkhead.img, a bootable GPT disk'
	@echo 'make image FILE=my.yaml [WITH="web.img=disks/web.img"]'
	@echo '                   write $(BUILD)/my.img for a configuration of your own, checked first'
	@echo 'make kernel        build the boot application and the kernel only'
	@echo 'make checked       the same kernel with its rules checked, in $(BUILD)/checked'
	@echo 'make deps          install packages, fetch, verify and build the libraries'
	@echo 'make test          run every test: unit, guest programs, whole machine'
	@echo 'make test-long     the same with the slow ones'
	@echo 'make unit          the unit tests alone'
	@echo 'make stress        the hypervisor'\''s parts that threads share, under ThreadSanitizer'
	@echo 'make fuzz          fuzz each target for a while (SECONDS=60)'
	@echo 'make coverage      list the lines that no test runs ($(BUILD)/coverage/coverage.txt)'
	@echo 'make check         formatting, include layers, static analysis'
	@echo 'make check-config FILE=bulkhead.yaml [CPUS=4] [MEMORY=2048MiB] [ESP=folder]'
	@echo '                   check a configuration as the hypervisor would; AGAINST=running.yaml'
	@echo '                   tells what it changes on a machine that runs by that one'
	@echo 'make bench         print and write the figures (build/bench.json)'
	@echo 'make clean         remove what was built, but not the libraries'

# `help` and `clean` must work on a bare machine; all else needs the packages.
ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),kernel)),)
include tools/make/deps.mk
include tools/make/kernel.mk
include tools/make/boot.mk
include tools/make/image.mk
include tools/make/bochs.mk
include tools/make/tests.mk
include tools/make/check.mk
endif

clean:
	find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +
