# The commands of this project; `make` alone lists them.

# make demo DATA=dir: a folder of landed files instead of generated ones
DATA ?=
# make dev HOST=0.0.0.0 PORT=3001
HOST ?= 127.0.0.1
PORT ?= 3000
# make test TESTS=data_platform_tests/lake
TESTS ?=
# make test JOBS=4: how many processes share the tests
JOBS ?= $(if $(TESTS),0,3)

# make image TARGET=spark: with Java and the jars of Spark
TARGET ?= platform

# make image FRESH=1: with the newest base image and packages of Debian, as what is published has
FRESH ?=

# make publish REPOSITORY=ghcr.io/acme/data-platform
REPOSITORY ?=
# make deploy ENVIRONMENT=staging IMAGE=repository@sha256:...
ENVIRONMENT ?=
IMAGE ?=
# make deploy ENVIRONMENT=staging BRANCH=pr-12 IMAGE=...: beside it, with data of its own
BRANCH ?=
# make deploy OLDER=1: over a newer commit
OLDER ?=
# make kubeconfig CLUSTER=acme-staging: the cluster of EKS that kubectl and Helm talk to
CLUSTER ?=
# make smoke URL=http://127.0.0.1:3000 LANDING=s3://acme-landing-staging
URL ?=
LANDING ?=

# make test TESTS=... ENGINE=local: on Spark in a JVM instead of Sail
ENGINE ?= sail

export PYTHON

# Another Spark, or packages of another project, must not take precedence over the locked ones.
unexport SPARK_HOME SPARK_CONF_DIR PYTHONPATH PYTHONHOME

bin := .venv/bin
pytest = $(bin)/python -m pytest -n $(JOBS) --dist loadfile

.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: env
env:
	@tools/bootstrap.sh

.PHONY: demo
demo: env ## load the demo's files (two months), or those in DATA=dir, and account for each row
	@exec $(bin)/python tools/launch.py demo $(if $(DATA),--data "$(DATA)")

.PHONY: dev
dev: env ## the Dagster UI on the last demo's state (HOST, PORT)
	@exec $(bin)/python tools/launch.py dev --host "$(HOST)" --port "$(PORT)"

.PHONY: test
test: env ## run the tests, all on Sail and some on Spark too (TESTS=path, ENGINE=sail or local)
	$(pytest) --no-loadscope-reorder --engine=$(ENGINE) $(TESTS)
ifeq ($(TESTS)$(ENGINE),sail)
	@if [ -x .venv/java/bin/java ]; then \
	    set -x; $(pytest) --no-loadscope-reorder --engine=local --again; \
	else \
	    echo "Without Java 17 or 21, the tests on Spark are left out."; test -z "$$CI"; fi
endif

.PHONY: system-test
system-test: env ## run the tests of processes as they are deployed, of jobs, and of the runbook
	$(bin)/python -m pytest -n $(if $(TESTS),0,2) --dist loadfile -m "system and not soak" -rs --engine=sail $(TESTS)

.PHONY: cluster-test
cluster-test: env ## run the tests on a Spark cluster of hosts on this machine (root, iproute2, Java)
	$(bin)/python -m pytest -m "cluster and not soak" -rs $(TESTS)

.PHONY: docker-test
docker-test: docker-tools ## build the images, and run the tests of them and of compose.yaml
	$(bin)/python -m pytest -m "docker and not soak" -rs --engine=sail $(TESTS)

.PHONY: kubernetes
kubernetes: services ## build Kubernetes into .cache/ (once, ten minutes of two cores; Debian or Ubuntu)
	@$(bin)/python -m tools.kubernetes_programs

.PHONY: kubernetes-test
kubernetes-test: kubernetes ## install the chart on a Kubernetes of this machine, and break what runs (root)
	$(bin)/python -m pytest -m kubernetes -rs $(TESTS)

.PHONY: check
check: env ## linter, formatter, types
	$(bin)/ruff check
	$(bin)/ruff format --check
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(bin)/pyright

.PHONY: contracts
contracts: env ## load every definition, with the consistency of every contract
	@$(bin)/dg check defs

.PHONY: docs
docs: env ## build the documentation into build/site; a broken link is an error
	@$(bin)/python -m tools.docs

.PHONY: docs-serve
docs-serve: docs ## serve the documentation (HOST, PORT)
	@$(bin)/python -m http.server --bind "$(HOST)" --directory build/site "$(PORT)"

.PHONY: bench
bench: env ## run the benchmarks; results are ratios
	$(bin)/python -m benchmarks

.PHONY: soak
soak: services ## run the long fault tests, and the property tests with many more examples
	@$(bin)/python -m tools.services jaeger osv-scanner
	$(bin)/python -m pytest -m "soak or hypothesis" -rs --hypothesis-profile soak --timeout 0 $(TESTS)
	$(if $(TESTS),,$(bin)/python -m pytest -m soak --timeout 0 --engine=local data_platform_tests/soak/test_a_year.py)

.PHONY: services
services: env ## install the servers that tests run against, and the jars, below .cache/
	@$(bin)/python -m tools.services

.PHONY: stack
stack: services ## run an S3 store and PostgreSQL for the platform, until Ctrl-C
	@$(bin)/python -m tools.stack

.PHONY: image
image: env ## build an image of the platform, with its bill of materials (TARGET=spark: with Java)
	@$(bin)/python -m tools.docker $(if $(FRESH),--fresh) $(TARGET)
	@mkdir -p build
	@$(bin)/python -m tools.sbom $(TARGET) >build/$(TARGET).cdx.json
	@echo "Its bill of materials: build/$(TARGET).cdx.json"

.PHONY: scan-tools
scan-tools: env ## build what `make scan` looks with
	@$(bin)/python -m tools.services osv-scanner

.PHONY: scan
scan: scan-tools ## look for known vulnerabilities in the locked packages and in the image (TARGET)
	@$(bin)/python -m tools.scan requirements.lock build/$(TARGET).cdx.json

.PHONY: publish
publish: env ## push the image to REPOSITORY, and write its digest to build/image.digest (TARGET)
	@$(bin)/python -m tools.publish $(TARGET) "$(REPOSITORY)"

.PHONY: helm
helm: env ## build Helm, which `make deploy` and `make rollback` need
	@$(bin)/python -m tools.services helm

.PHONY: kubeconfig
kubeconfig: ## let kubectl and Helm talk to the cluster CLUSTER of EKS
	@aws eks update-kubeconfig --name "$(CLUSTER)"

.PHONY: deploy
deploy: helm ## install IMAGE (by its digest) in ENVIRONMENT; what does not start is rolled back
	@$(bin)/python -m tools.release deploy $(if $(OLDER),--older) --branch "$(BRANCH)" --image "$(IMAGE)" "$(ENVIRONMENT)"

.PHONY: smoke
smoke: env ## check a deployment from outside (URL, else by kubectl; LANDING to land a file)
	@$(bin)/python -m tools.smoke --branch "$(BRANCH)" --url "$(URL)" --landing "$(LANDING)"

.PHONY: rollback
rollback: helm ## return ENVIRONMENT to what was deployed before
	@$(bin)/python -m tools.release rollback --branch "$(BRANCH)" "$(ENVIRONMENT)"

.PHONY: undeploy
undeploy: helm ## remove the release of BRANCH in ENVIRONMENT, and its data
	@$(bin)/python -m tools.release remove --branch "$(BRANCH)" "$(ENVIRONMENT)"

.PHONY: docker-tools
docker-tools: env ## build a registry, and Docker's plugin compose where Docker comes without
	@$(bin)/python -m tools.services registry
	@docker compose version >/dev/null 2>&1 || $(bin)/python -m tools.services compose

.PHONY: up
up: env ## run the platform with its servers in Docker, and load a file (UI_PORT, STORE_PORT)
	@$(bin)/python -m tools.compose up

.PHONY: down
down: env ## stop what `make up` has started; WIPE=1 deletes its data, too
	@$(bin)/python -m tools.compose down $(if $(WIPE),--wipe)

.PHONY: jars
jars: env ## fetch the jars that Spark needs for S3 into .cache/jars (MAVEN_REPOSITORY)
	@$(bin)/python tools/jars.py

.PHONY: lock
lock: env ## resolve the dependencies again into requirements.lock (UPGRADE=1 for newer versions)
	@tools/lock.sh $(if $(UPGRADE),--upgrade)

.PHONY: jars-lock
jars-lock: env ## resolve the jars of tools/jars_lock.py again into tools/jars.lock
	@$(bin)/python -m tools.jars_lock
	@git --no-pager diff --stat -- tools/jars.lock

.PHONY: auditors-lock
auditors-lock: env ## resolve tools/auditors.in again into tools/auditors.lock
	@tools/lock.sh auditors

.PHONY: manifests-lock
manifests-lock: env ## resolve tools/manifests.in again into tools/manifests.lock
	@tools/lock.sh manifests

.PHONY: docs-lock
docs-lock: env ## resolve tools/docs.in again into tools/docs.lock
	@tools/lock.sh docs

.PHONY: clean-env
clean-env: ## remove the environment; the next command recreates it
	rm -rf .venv .venv.before

.PHONY: clean-services
clean-services: ## remove the servers and jars
	rm -rf .cache
