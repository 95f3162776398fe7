# Tessera. `make` explains the targets.
.DEFAULT_GOAL := help
SWIFT  ?= swift
PYTHON ?= python3
BIN    := .build/release
DEMO   := .build/demo
TOOLS  := $(notdir $(wildcard Sources/tessera-*))

.PHONY: help
help: ## show this
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 16

.PHONY: deps
deps: ## install what is missing: system libraries (apt), numpy for the tests
	@Tests/Reference/install_dependencies.sh

.PHONY: build
build: deps ## build the commands in .build/release
	$(SWIFT) build -c release

.PHONY: install
install: build ## copy the commands to $(PREFIX)/bin (default /usr/local)
	install -d $(or $(PREFIX),/usr/local)/bin
	install $(addprefix $(BIN)/,$(TOOLS)) $(or $(PREFIX),/usr/local)/bin

.PHONY: demo
demo: build ## convert the small checkpoint, quantize it, ask about a picture, show what it cost
	@Tests/Reference/demo.sh $(BIN) $(DEMO)

.PHONY: test
test: deps ## run all tests
	$(SWIFT) test -c release --scratch-path .build-test

.PHONY: test-arm
test-arm: ## run the C kernels' checks for 64-bit Arm under qemu
	Tests/CKernelsTests/checks/arm64.sh

.PHONY: test-avx512
test-avx512: ## run the C kernels' checks for AVX-512 and AVX-VNNI on any x86-64 with AVX2, their instructions written in C
	Tests/CKernelsTests/checks/avx512.sh

# The suites that read and check more than they compute, but for a test that takes minutes with debug code.
READERS := ^(Storage|Checkpoints|GraphIR|Bundles|Prompts|GroupFormats|CKernels)Tests\.|GraphMutantTests|HostileGraphTests

MUTANTS ?= 200
.PHONY: sanitize
sanitize: deps ## run the tests that compute little with the address sanitizer, and the thread pool's with the thread sanitizer
	ASAN_OPTIONS=detect_leaks=0 SWIFT_BACKTRACE=enable=no TESSERA_MUTANTS=$(MUTANTS) \
	    $(SWIFT) test --sanitize=address --scratch-path .build-asan --filter '$(READERS)' \
	    --skip everyFlippedByteBehindItIsFound
	TESSERA_SUITE=CKernelsTests SWIFT_BACKTRACE=enable=no \
	    $(SWIFT) test --sanitize=thread --scratch-path .build-tsan --filter PoolTests

.PHONY: sanitize-all
sanitize-all: deps ## run all tests with the address sanitizer: an hour or more
	ASAN_OPTIONS=detect_leaks=0 SWIFT_BACKTRACE=enable=no $(SWIFT) test --sanitize=address --scratch-path .build-asan

TIMES ?= 200
.PHONY: reliability
reliability: build ## inject faults into files, options and the system around the commands, and print what came of each
	$(PYTHON) Tests/Reference/reliability $(BIN) --times $(TIMES)

RUNS ?= 100000
.PHONY: test-report
test-report: build ## open pages of tessera-diff in a headless Chromium (installed if missing), and keep pictures of them
	@command -v chromium >/dev/null || Tests/Reference/install_dependencies.sh chromium
	$(PYTHON) Tests/Reference/report/check_report.py $(BIN)/tessera-diff .build/report

.PHONY: fuzz
fuzz: deps ## feed every reader RUNS inputs of libFuzzer's (100000); 10000000 take hours
	Tests/Fuzz/run.sh $(RUNS)

.PHONY: fuzz-slice
fuzz-slice: deps ## the same 20000 inputs each time, as .ci/run does
	SEED=1 Tests/Fuzz/run.sh 20000

.PHONY: bench
bench: build ## time the kernels and the demo model on this machine
	$(BIN)/tessera-bench kernels

.PHONY: lint
lint: ## check the style of the Swift sources
	$(SWIFT) format lint --recursive --strict Package.swift Sources Tests formats

.PHONY: format
format: ## bring the Swift sources into style
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests formats

.PHONY: size
size: ## count the lines of every source file, longest first
	@find Sources Tests formats -name '*.swift' -o -name '*.c' -o -name '*.h' -o -name '*.py' | xargs wc -l | sort -rn

.PHONY: clean
clean: ## remove everything built
	rm -rf .build .build-test .build-asan .build-tsan .build-fuzz .build-fuzz-address
