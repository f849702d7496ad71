# The sample machine: its guests' kernels, initramfs and disk, the boot image, and a run of it.

SAMPLES := $(BUILD)/samples

# Debian's kernel is fetched once and kept: a second run needs no network.
$(SAMPLES)/vmlinuz $(SAMPLES)/modules &: | $(PACKAGES)
	$(call say,FETCH) guests/samples/fetch-kernel $(SAMPLES)/vmlinuz $(SAMPLES)/modules

$(SAMPLES)/initrd.gz: $(addprefix guests/samples/,make-initrd copy-modules rc inittab power-button) \
		| $(SAMPLES)/modules
	@mkdir -p $(@D)
	$(call say,CPIO) guests/samples/make-initrd $@ $(SAMPLES)/modules

# What a guest with `boot: {disk: N}` begins with.
$(SAMPLES)/loader.gz: $(addprefix guests/samples/,make-loader copy-modules loader/init \
		loader/find loader/grub.awk loader/machine.c) | $(SAMPLES)/modules
	@mkdir -p $(@D)
	$(call say,CPIO) guests/samples/make-loader $@ $(SAMPLES)/modules

samples: $(SAMPLES)/vmlinuz $(SAMPLES)/initrd.gz $(SAMPLES)/loader.gz
.PHONY: samples

# Debian on a logical volume. What the guest writes stays, until `make clean`.
$(SAMPLES)/debian.disk: | $(PACKAGES)
	$(call say,BUILD,a Debian for the guest of that name: some minutes) \
		guests/samples/make-debian $@

SAMPLE_FILES := $(SAMPLES)/vmlinuz=samples/vmlinuz $(SAMPLES)/initrd.gz=samples/initrd.gz \
	$(SAMPLES)/vmlinuz=loader/vmlinuz $(SAMPLES)/loader.gz=loader/initrd.gz

# bulkhead.img is for any machine; what `make run` starts has a disk and a network besides.
$(BUILD)/bulkhead.img: guests/samples/bulkhead.yaml
	$(call say,IMAGE) tools/image/mkimage $@ --config $< $(SAMPLE_FILES)

$(BUILD)/debian.img: guests/samples/debian.yaml
	$(call say,IMAGE) tools/image/mkimage $@ --config $< $(SAMPLE_FILES)

$(BUILD)/bulkhead.img $(BUILD)/debian.img: tools/image/mkimage $(BUILD)/BOOTX64.EFI \
	$(BUILD)/kernel.elf $(SAMPLES)/vmlinuz $(SAMPLES)/initrd.gz $(SAMPLES)/loader.gz

# `make image FILE=my.yaml` is for a machine of your own, build/my.img: the document is checked
# first, and guests that boot from their disks find the loader there. WITH="web.img=disks/web.img"
# adds what else the document names, IMAGE=other.img is another place.
ifeq ($(FILE),)
image: $(BUILD)/bulkhead.img
else
IMAGE := $(BUILD)/$(basename $(notdir $(FILE))).img
$(if $(filter $(BUILD)/bulkhead.img $(BUILD)/debian.img,$(IMAGE)),$(if $(filter image,$(MAKECMDGOALS)),\
	$(error $(IMAGE) is the image of a sample; write IMAGE=$(BUILD)/my.img, too)))
image: tools/image/mkimage $(BUILD)/BOOTX64.EFI $(BUILD)/kernel.elf $(BUILD)/check-config samples
	@$(BUILD)/check-config $(FILE)
	$(call say,IMAGE,$(IMAGE)) tools/image/mkimage $(IMAGE) --config $(FILE) $(SAMPLE_FILES) $(WITH)
endif
debian: $(BUILD)/debian.img $(SAMPLES)/debian.disk
.PHONY: debian

run: debian
	@tools/qemu/run $(BUILD)/debian.img --disk $(SAMPLES)/debian.disk --network
