# Kapok: everything a person or CI does with this repository.
#
#   make up        install what is missing, build, and run a region on this machine
#   make test      unit, simulation, house and interop tests (a slice of the long ones)
#   make help      the rest

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SWIFT ?= swift
FORMATTED := Sources Tests Benchmarks Package.swift

# Options of `kapok up`, as in: make up ARGS="--drives 8 --coding 6+2"
ARGS ?=
# Seeds of `make soak`.
SEEDS ?= 1000
# The longest that a test run may take before it is ended.
TEST_TIMEOUT ?= 10m
TEST := $(SWIFT) test --skip-build --disable-xctest

# A small model to try and test serving with; it comes from PyPI.
MODEL := .models/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: help up serve model build test interop soak bench lint fmt deps deps-test clean

help: ## Show what there is to do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | \
	    awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

deps: ## Install the Debian packages that the build needs and this machine lacks
	@tools/dependencies.sh build

deps-test:
	@tools/dependencies.sh test

up: build ## Build and run a region: an S3 endpoint on 127.0.0.1:9000
	@exec .build/release/kapok up $(ARGS)

serve: build model ## Build and serve a small language model: OpenAI's API on 127.0.0.1:8080
	@exec .build/release/kapok serve --model $(MODEL) $(ARGS)

model: ## Fetch a small language model (98 MB) into .models
	@tools/fetch-model.sh $(MODEL)

build: deps ## Build .build/release/kapok
	$(SWIFT) build -c release --product kapok

# Clients drive the release build: kernels and the debugger's build are far apart in speed.
INTEROP := KAPOK_BINARY=$(CURDIR)/.build/release/kapok KAPOK_MODEL=$(CURDIR)/$(MODEL)

test: deps-test model ## Run all tests, the long ones in a short version
	$(SWIFT) build --build-tests
	timeout --kill-after=30 $(TEST_TIMEOUT) $(TEST) --skip InteropTests
	$(SWIFT) build -c release --product kapok
	$(INTEROP) timeout --kill-after=30 20m $(TEST) --filter InteropTests

interop: build deps-test model ## Run other people's clients against Kapok, at full length
	$(SWIFT) build --build-tests
	KAPOK_INTEROP=full $(INTEROP) timeout --kill-after=30 3h $(TEST) --filter InteropTests

soak: build ## Sweep SEEDS seeds of the simulated store, fabric and scheduler
	.build/release/kapok simulate store --seeds $(SEEDS)
	.build/release/kapok simulate fabric --seeds $(SEEDS)
	.build/release/kapok simulate serve --seeds $(SEEDS)
	.build/release/kapok simulate transfer --seeds $(SEEDS)

bench: build ## Measure beside peers and physical limits; tables and JSON in .build/bench
	Benchmarks/run.sh

lint: ## Check the format
	$(SWIFT) format lint --strict --recursive --parallel --configuration .swift-format \
	    $(wildcard $(FORMATTED))

fmt: ## Format
	$(SWIFT) format format --in-place --recursive --parallel --configuration .swift-format \
	    $(wildcard $(FORMATTED))

clean: ## Remove what was built
	rm -rf .build .venv .venv-scalesim .models
