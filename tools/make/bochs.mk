# Bochs, which emulates the Intel machine. It is no dependency of anything but those tests:
# where it cannot be had, build/bochs.missing says why and they are skipped by name.

BOCHS := $(DEPS)/bochs-$(call hash,tools/bochs/fetch tools/bochs/mend tools/bochs/idiv.c tools/bochs/detours.S tools/bochs/start.in)

$(BOCHS):
	@mkdir -p $(@D) $(BUILD)
	@rm -f $(BUILD)/bochs.missing
	@tools/bochs/fetch $@ 2>$(BUILD)/bochs.missing || { \
		echo '  *** no Bochs: the Intel tests will be SKIPPED'; sed 's/^/  *** /' $(BUILD)/bochs.missing; }

.PHONY: bochs run-intel
bochs: $(BOCHS)
	@[ ! -d $(BOCHS) ] || { ln -sfn $(abspath $(BOCHS)) $(BUILD)/bochs; rm -f $(BUILD)/bochs.missing; }

run-intel: image bochs
	@tools/bochs/run $(BUILD)/bulkhead.img
