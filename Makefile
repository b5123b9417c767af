# Hotstick. "make help" prints the menu.

export CGO_ENABLED := 0
VERSION  ?= $(shell git describe --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X github.com/hotstick/hotstick/internal/version.Version=$(VERSION)
OUT      := bin
GOFLAGS_ := -trimpath -ldflags '$(LDFLAGS)'
# What runs on every host is built small: without the HTTP/2 of the standard library, which
# none of it speaks, and without inlining, which costs it a tenth of its size. The agent's
# limit of 10 MiB is kept by a test in cmd/hotstick-agent.
HOST_GOFLAGS := -trimpath -ldflags '$(LDFLAGS) -funcalign=16' -tags nethttpomithttp2 -gcflags=all=-l
STATICCHECK := v0.8.2
NFPM     := v2.45.2
WEB      := internal/ui/web
PACKAGES := $(WEB)/node_modules/.package-lock.json
PYTHON   ?= python3

# The share of time that each suite may take on two cores, from a cold cache.
T_UNIT   := 12m
T_GUESTS := 28m
T_DRIVERS := 120m
T_DRIVER := 15m
T_WEB    := 600
T_SIM    := 360
T_EVIL   := 300
T_CRASH  := 480
T_WINE   := 20m
# Kills are made for this long at most; a slow machine makes fewer than 200 and may.
CRASHES  := 4m
T_SURVIVE := 6m
T_TRUTH  := 15m
T_POWERCUT := 1200
SAMPLES  := 2000
# Some tests on real kernels take turns: "commit" runs the one that the commit chooses.
TURN     := commit
T_FUZZ   := 1200
FUZZ     := 2s

.PHONY: help
help: ## print this menu
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## build the commands into bin/
	@mkdir -p bin
	go build $(GOFLAGS_) -o bin/ ./cmd/hotstick ./cmd/hotstick-tuf-client
	@$(MAKE) --no-print-directory build-host

.PHONY: build-host
build-host:
	go build $(HOST_GOFLAGS) -o $(OUT)/ ./cmd/hotstick-agent ./cmd/hotstick-loader

# A version that deb and rpm compare as they should: v1.2.3 is 1.2.3, and what has no
# tag comes before every version that has one, in the order of its commits.
PACKAGE_VERSION ?= $(shell git describe --tags --exact-match 2>/dev/null | sed 's/^v//; s/-/~/g' | grep . || git log -1 --format=0~git%cd.%h --date=format:%Y%m%d%H%M%S)
ARCH ?= $(shell go env GOARCH)

.PHONY: packages
packages: build ## deb and rpm of server, agent and loader in bin/packages
	@scripts/packages bin bin/packages $(PACKAGE_VERSION) $(ARCH) $(NFPM)

.PHONY: demo
demo: ## the main job on real kernels: ARGS="--exit -o json" for machines
	@scripts/setup demo >&2
	@$(MAKE) --no-print-directory build >&2
	@bin/hotstick demo $(ARGS)

.PHONY: demo-mixed
demo-mixed: ## one CVE closed on a mixed fleet, each host by its own system: ARGS="--exit -o json"
	@scripts/setup demo >&2
	@scripts/setup wine >&2
	@$(MAKE) --no-print-directory build >&2
	@mkdir -p bin/windows
	@GOOS=windows GOARCH=amd64 go build $(HOST_GOFLAGS) -o bin/windows/ ./cmd/hotstick-agent
	@bin/hotstick demo mixed $(ARGS)

.PHONY: dev
dev: build ## server, console and 200 simulated hosts, a rollout already moving
	bin/hotstick dev $(ARGS)

# Two stages run at a time, the longest first; each prints when it has ended. The unit tests
# come last and alone: some of them look at the clock. What stages need is built before,
# once: make begins those first that need nothing, and the longest would come last.
STAGES := test-guests evil fuzz powercut test-web check truth-some sim survive-some drivers-some crash
BUILD  := build

.PHONY: test
test: setup-test ## everything, all set-up included
	@echo "two stages at a time, each of which prints when it ends: $(STAGES)"
	@$(MAKE) --no-print-directory build build-powercut $(PACKAGES)
	@$(MAKE) --no-print-directory -j2 --output-sync=target BUILD= $(STAGES)
	@$(MAKE) --no-print-directory test-unit

.PHONY: setup-test
setup-test:
	@scripts/setup test

.PHONY: test-fast
test-fast: ## under a minute: no root, no network, no QEMU
	go test -short -timeout 3m ./...

.PHONY: test-unit
test-unit:
	go test -timeout $(T_UNIT) ./...

.PHONY: fuzz
fuzz: ## every parser of foreign bytes, two seconds each; FUZZ=5m for longer, ONLY=Metadata for some
	timeout $(T_FUZZ) scripts/fuzz $(FUZZ) $(ONLY)

.PHONY: test-guests
test-guests: $(BUILD) ## the driver klp, guests and the demo's checks on real kernels; TURN=all for what takes turns by the commit
	HOTSTICK_GUESTS=1 HOTSTICK_TURN=$(TURN) go test -p 1 -count=1 -timeout $(T_GUESTS) ./internal/guest/... ./internal/driver/klp/... ./internal/loader/... ./internal/agent/probe/... ./internal/demo/...

# The systems of vendors, for which rigs stand in, and the reboot between two real kernels:
# ONLY=suse for one of them, ONLY=reboot, ONLY=windows for the agent under Wine.
.PHONY: drivers
drivers: build $(if $(filter windows,$(ONLY)),windows) ## every vendor's driver beside its rig, and the reboot, on real kernels; ONLY=suse for one
	@$(if $(filter windows,$(ONLY)),,T_DRIVERS=$(T_DRIVERS) scripts/drivers $(ONLY))

.PHONY: drivers-some
drivers-some: ## one vendor's driver on one kernel line, chosen by the commit
	T_DRIVERS=$(T_DRIVER) scripts/drivers --some

.PHONY: tuf-conformance
tuf-conformance: ## the TUF project's conformance suite: SUITE=its checkout, PYTHON=a Python with pytest, tuf and securesystemslib
	@test -d "$(SUITE)/tuf_conformance" || { echo "error: cannot find the suite: make tuf-conformance SUITE=DIR, a checkout of theupdateframework/tuf-conformance" >&2; exit 2; }
	@command -v faketime >/dev/null || apt-get -qq install -y faketime >/dev/null
	go build $(GOFLAGS_) -o bin/ ./cmd/hotstick-tuf-client
	cd $(SUITE) && $(PYTHON) -m pytest -q -p no:cacheprovider tuf_conformance --entrypoint $(CURDIR)/bin/hotstick-tuf-client

.PHONY: sim
sim: ## the simulator: 200 seeds of 10,000 events; ARGS="-o json" for machines
	@mkdir -p bin
	go build -o bin/sim ./bench/sim
	timeout $(T_SIM) bin/sim -seeds 200 -events 10000 $(ARGS)

.PHONY: sim-full
sim-full: ## the simulator for a night: 1,000 seeds of 20,000 events
	@mkdir -p bin
	go build -o bin/sim ./bench/sim
	bin/sim -seeds 1000 -events 20000 $(ARGS)

.PHONY: sim-planted
sim-planted: ## how many seeds it takes to find each planted bug
	@mkdir -p bin
	go build -tags planted -o bin/sim-planted ./bench/sim
	bin/sim-planted -planted -seeds 1000 $(ARGS)

.PHONY: evil
evil: $(BUILD) ## a stolen server: every strategy in the simulator, with one check planted away, and on four real guests
	@mkdir -p bin
	go build -o bin/sim ./bench/sim
	timeout $(T_EVIL) bin/sim -evil -seeds 1000 $(ARGS)
	go test -tags planted -count=1 -timeout $(T_EVIL)s -run TestEveryStrategySucceedsWithoutTheCheckThatItAttacks ./internal/sim/world
	HOTSTICK_GUESTS=1 HOTSTICK_TURN=$(TURN) go test -count=1 -timeout 20m ./bench/evil/...

.PHONY: survive
survive: build ## twelve ways in which a patch or the world goes wrong, five times each, on real guests; ARGS="-only NAME -repeats 1"
	go run ./bench/survive $(ARGS)

.PHONY: survive-some
survive-some: $(BUILD) ## three of the twelve, chosen by the commit
	HOTSTICK_GUESTS=1 go test -count=1 -v -timeout $(T_SURVIVE) ./bench/survive/...

.PHONY: truth
truth: build $(PACKAGES) ## what API, command line, console and metrics say, against the kernels of two guests; SAMPLES=10000
	go run ./bench/truth -samples $(SAMPLES) $(ARGS)

.PHONY: truth-some
truth-some: $(BUILD) $(PACKAGES) ## the same with 2,000 samples, as a test
	HOTSTICK_GUESTS=1 go test -count=1 -v -timeout $(T_TRUTH) ./bench/truth/...

# Two stages need them at once, so one rule fetches them, when the list is newer.
$(PACKAGES): $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund --silent && touch node_modules/.package-lock.json

.PHONY: build-lab
build-lab:
	@mkdir -p bin/lab
	go build -trimpath -tags lab -o bin/lab/ ./cmd/hotstick ./cmd/hotstick-agent ./cmd/hotstick-loader

.PHONY: crash
crash: build-lab ## 200 times kill -9 at failpoints of real programs, chosen by the commit; ARGS="-o json" for machines
	@mkdir -p bin
	go build -o bin/crash ./bench/crash
	timeout $(T_CRASH) bin/crash -kills 200 -within $(CRASHES) -least 100 $(ARGS)

.PHONY: crash-full
crash-full: build-lab ## kill -9 at every failpoint, 25 times each
	@mkdir -p bin
	go build -o bin/crash ./bench/crash
	bin/crash -each 25 -houses 4 $(ARGS)

.PHONY: crash-planted
crash-planted: ## the same with a bug in the loaders, which must be found: BUG=intent-not-durable
	@mkdir -p bin/lab-planted
	go build -trimpath -tags lab,planted -o bin/lab-planted/ ./cmd/hotstick ./cmd/hotstick-agent ./cmd/hotstick-loader
	go build -o bin/crash ./bench/crash
	timeout $(T_CRASH) bin/crash -programs bin/lab-planted -planted $(or $(BUG),intent-not-durable) -kills 60 -within 1m -only loader/ $(ARGS)

# It puts itself into the guest, so it is built small.
.PHONY: build-powercut
build-powercut:
	@mkdir -p bin
	go build $(GOFLAGS_) -o bin/ ./bench/powercut

.PHONY: powercut
powercut: $(BUILD) $(if $(BUILD),build-powercut) ## the power goes at 100 points of a log of writes and five times in a running guest; ARGS="-replay DIR -point N"
	timeout $(T_POWERCUT) bin/powercut $(ARGS)

.PHONY: powercut-full
powercut-full: build build-powercut ## the same at 500 points
	bin/powercut -points 500 $(ARGS)

.PHONY: powercut-planted
powercut-planted: build-powercut ## the same with a loader that syncs nothing, which must be found
	@mkdir -p bin/lab-planted
	go build -trimpath -tags lab,planted -o bin/lab-planted/ ./cmd/hotstick ./cmd/hotstick-agent ./cmd/hotstick-loader
	timeout $(T_POWERCUT) bin/powercut -programs bin/lab-planted -planted nothing-synced -points 40 -cuts 0 $(ARGS)

.PHONY: setup-wine
setup-wine:
	@scripts/setup wine

.PHONY: windows
windows: setup-wine ## the Windows agent out of its zip under Wine: service, enrolment, a plan's grant refused and confirmed
	HOTSTICK_WINE=1 go test -count=1 -v -timeout $(T_WINE) ./internal/winhost

.PHONY: dist-windows
dist-windows: ## the Windows agent with its install script, as bin/hotstick-agent-windows.zip
	@mkdir -p bin/windows
	GOOS=windows GOARCH=amd64 go build $(HOST_GOFLAGS) -o bin/windows/ ./cmd/hotstick-agent
	cp deploy/windows/install.ps1 deploy/windows/README.txt LICENSE bin/windows/
	cd bin/windows && rm -f ../hotstick-agent-windows.zip && $(PYTHON) -m zipfile -c ../hotstick-agent-windows.zip hotstick-agent.exe install.ps1 README.txt LICENSE

.PHONY: test-web
test-web: $(PACKAGES) ## the console in Chromium
	cd $(WEB) && timeout $(T_WEB) npm test --silent
	@if [ "$$(node -p 'process.versions.node.split(".")[0] >= 20')" = true ]; then \
		cd $(WEB) && npm run --silent check-dist; \
	else echo "note: comparing the built console with its sources needs Node 20 or newer; this is $$(node --version)"; fi

.PHONY: check
check: ## format, vet, staticcheck, the rules of the house
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "error: not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/hotstick-agent
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) ./...
	go test ./internal/archtest

.PHONY: ui
ui: ## rebuild the console's committed dist
	cd $(WEB) && npm ci --no-audit --no-fund && npm run build

.PHONY: footprint
footprint: build ## what an idle host pays, beside prometheus-node-exporter; ARGS="-starts 5" for the median of five
	go run ./bench/footprint $(ARGS)

.PHONY: bench
bench: build ## the baselines of docs/reference/benchmarks.md
	go run ./bench

.PHONY: clean
clean: ## remove what was built here; the kernel cache stays
	rm -rf bin $(WEB)/node_modules
