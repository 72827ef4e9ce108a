#!/usr/bin/env bash
# The arrows between the crates point one way, and each heavy library has one home. Asks `cargo tree`, so that nothing is declared twice.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
# Options for `cargo tree` beside the default features.
features=""

# direct CRATE: names of its direct dependencies, without those for tests.
direct() { cargo tree --locked --quiet --package "$1" $features --depth 1 --edges normal,build --prefix none --format '{p}' | tail -n +2 | cut -d' ' -f1; }
# all CRATE: names of everything below it.
all() { cargo tree --locked --quiet --package "$1" $features --edges normal,build --prefix none --format '{p}' | tail -n +2 | cut -d' ' -f1; }

forbid() {
    local crate="$1" kind="$2"; shift 2
    local names; names="$("$kind" "$crate")"
    for banned in "$@"; do
        if grep -qx -- "$banned" <<<"$names"; then
            echo "$crate must not depend on $banned"
            status=1
        fi
    done
}

local_crates="feedback stream ingest enrich aggregate models sql civicpulse benches"
forbid feedback all $local_crates
forbid stream all ingest enrich aggregate models sql civicpulse benches
forbid models all stream ingest enrich aggregate sql civicpulse benches tokio rdkafka datafusion arrow-flight rust-bert
# With the transformer tier too.
features="--features transformer"
forbid models all stream ingest enrich aggregate sql civicpulse benches tokio rdkafka datafusion arrow-flight
features=""
forbid ingest all enrich aggregate models sql civicpulse benches
forbid enrich all ingest aggregate sql civicpulse benches
forbid aggregate all ingest enrich models sql civicpulse benches datafusion
forbid sql all ingest enrich models civicpulse benches
forbid civicpulse all benches

# Each heavy library has one home.
for crate in feedback ingest enrich aggregate models sql civicpulse benches; do forbid "$crate" direct rdkafka redb; done
for crate in feedback stream ingest enrich aggregate models civicpulse; do forbid "$crate" direct datafusion datafusion-postgres; done
# Benches call it by itself, as the peer that queries are measured beside.
forbid benches direct datafusion-postgres
for crate in feedback stream enrich models sql; do forbid "$crate" direct polars; done
for crate in feedback stream ingest enrich aggregate sql civicpulse benches; do forbid "$crate" direct rust-bert tch hf-hub; done

# One of each in the tree.
for library in arrow datafusion tokio; do
    versions="$(cargo tree --locked --quiet --workspace --all-features --prefix none --format '{p}' | grep -E "^$library v" | cut -d' ' -f1,2 | sort -u)"
    if [ "$(wc -l <<<"$versions")" -ne 1 ]; then
        echo "more than one $library in the tree:"; echo "$versions"
        status=1
    fi
done
[ "$status" -eq 0 ] && echo "directions hold"
exit "$status"
