# The face of the workshop. `make` alone prints this help; the book shows these targets and no others.

PLATFORM ?= local
CODE     ?= mine
PORT     ?= 3000
KEEP     ?= 20
export PLATFORM
# For PLATFORM=k3d: another cluster than the workshop's own, an image in a registry, a namespace of one's own for the
# runs (lab-run where none is named), how many load pods (1).
CONTEXT  ?= k3d-lab
export LAB_CONTEXT = $(CONTEXT)
export LAB_IMAGE = $(IMAGE)
export LAB_NAMESPACE = $(NAMESPACE)

# One build for everything that the workshop runs: see scripts/run.sh and Cargo.toml.
driver = sh scripts/run.sh driver
guide = sh scripts/run.sh mdbook-lab
how = --code $(CODE) --open $(if $(LOAD_PODS),--load-pods $(LOAD_PODS)) $(if $(GUESS),--guess "$(GUESS)")
# What a cluster needs besides the driver.
on_cluster = $(if $(filter k3d,$(PLATFORM)),sh scripts/cluster.sh $(1),$(2))

.DEFAULT_GOAL := help
.PHONY: help preflight prefetch up smoke dev down name restore reset demo \
        always image book board join site pictures test verify attacks bench clean-reports chaos

help: ## print this help
	@sh scripts/help.sh

demo: ## each step of the hour with the starter and the reference, then reports/index.html; ALL=1 those after the event, too
	@$(driver) demo $(if $(ALL),--all)

preflight: ## check this machine: toolchain, PostgreSQL, ports, disk, how quiet it is; JSON=1 for programs
	@$(call on_cluster,preflight,sh scripts/preflight.sh $(if $(JSON),--json))

prefetch: ## fetch and build all that the workshop needs, for working offline
	@sh scripts/prefetch.sh
	@$(call on_cluster,prefetch,:)

# The steps are those of driver/scenarios/. Of a rule with `%` no target can be phony; this one never is up to date.
always:
step%: always ## run the step of that number with your code
	@$(driver) run $* $(how)

solve%: always ## put the reference in place; your text is saved first
	@$(driver) solve $*

catchup%: always ## put the references of the steps before that one in place, for who comes late
	@$(driver) catchup $*

# From the command line alone: some shells have a variable of that name, with the machine's name in it.
name: export LAB_NAME = $(NAME)
name: ## the name in your share codes: NAME=ada; NAME= for none
	@$(if $(filter command%,$(origin NAME)),,unset LAB_NAME;) $(driver) name

status: ## where you are: each step's latest run, best, what you edit, what is next; JSON=1 for programs
	@$(driver) status $(if $(JSON),--json)

restore: ## your saved texts, newest first; N=1 puts one back, N=1 DIFF=1 shows it first
	@$(driver) restore $(if $(N),"$(N)") $(if $(DIFF),--diff)

reset: ## restore all starters (edits are saved) and wipe what runs; reports stay
	@sh scripts/reset.sh

up: ## keep the services running on ports 30080 and 30081, to explore with curl
	@$(call on_cluster,up,$(driver) up)
smoke: ## ask each endpoint of the running services once
	@sh scripts/smoke.sh
dev: ## rebuild and restart what `make up` started
	@$(call on_cluster,dev,$(driver) up --restart)
down: ## stop what `make up` started
	@$(call on_cluster,down,$(driver) down)

image: ## build the image for PLATFORM=k3d and load it into the cluster
	@sh scripts/image.sh

book: ## the guide in the browser, live: read, run, watch; PORT=3000
	@$(guide) serve --port $(PORT)

# Its port is its own: PORT has one for the guide.
board: ## what a room has shared, on a page for the projector; PORT=8090, LISTEN=192.168.1.10:8090 for laptops to join
	@$(guide) board $(if $(LISTEN),--listen "$(LISTEN)",$(if $(filter file,$(origin PORT)),,--port "$(PORT)"))

# In no argument of a program that stays: a link has the room's key in it.
join: export LAB_BOARD = $(BOARD)
join: ## have your runs post their codes to a board: BOARD='the link that it prints'; BOARD= leaves
	@$(if $(filter command%,$(origin BOARD)),,unset LAB_BOARD;) $(driver) join

site: ## a static site of the guide and a sample of the reports here, for publishing; OUT=site
	@$(guide) site --out "$(or $(OUT),site)"

pictures: ## for maintainers: the README's pictures, of runs that `make demo` left; needs Chromium
	@cargo test --quiet --profile lab --workspace --test browser -- --ignored --exact pictures::are_made

test: ## format, lints, all tests, and the guide against the project
	@cargo fmt --all --check
	@cargo clippy --profile lab --workspace --all-targets --all-features -- -D warnings
	@cargo test --profile lab --workspace
	@cargo test --profile lab --workspace --features tls --test tls
	@$(guide) check

verify: ## starter fails, reference passes, each cheat fails; ONLY=step, QUICK=1 after a demo, ROUNDS=10 BUSY=1 to be sure, LANES=2 beside each other
	@$(driver) verify $(ONLY) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(BUSY),--busy) \
	    $(if $(LANES),--lanes $(LANES))

attacks: ## attacks on the guide, the board and the services, tried and counted: see SECURITY.md
	@sh scripts/attacks.sh

bench: ## the bars: the load engine beside wrk and oha, pages, waiting times; BUILD=1 adds builds from nothing, LONG=1 half an hour
	@$(driver) bench $(if $(LONG),--long) $(if $(BUILD),--builds)

chaos: ## faults with the real programs, on a copy of the project: tried, survived, lost; LONG=1 SEED=n ONLY=group
	@cargo build --profile lab --workspace && $${CARGO_TARGET_DIR:-target}/lab/chaos $(if $(LONG),--long) \
	    $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

clean-reports: ## remove old runs: the newest KEEP=20 of each scenario stay, and what they are compared with
	@$(driver) clean-reports --keep "$(KEEP)"
