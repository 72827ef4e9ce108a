# What can be done here. `just ready` is what CI does.

# List the recipes.
default:
    @just --list --unsorted

# A synthetic city, live: psql -h 127.0.0.1 -p 5433, http://127.0.0.1:8080/metrics
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# All tests; those that need a service or ../shared say so and skip without it.
test *ARGS:
    cargo test --release --workspace {{ARGS}}

# Format, lints, documentation.
check:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --release --workspace --no-deps
    deploy/check-directions.sh
    cargo deny check bans licenses sources

# What CI does, on this machine.
ready:
    .ci/run

# A real Apache Kafka on a loopback port, for the tests that need one.
kafka PORT="19092" DIR="/tmp/civicpulse-kafka":
    deploy/kafka-local.sh start {{DIR}} {{PORT}}
    @echo "export CIVICPULSE_KAFKA=127.0.0.1:{{PORT}}"

# End that Kafka.
kafka-stop DIR="/tmp/civicpulse-kafka":
    deploy/kafka-local.sh stop {{DIR}}

# Kill workers and aggregators at random against real Kafka, KILLS times, and compare with an undisturbed run.
chaos KILLS="500":
    CIVICPULSE_KILLS={{KILLS}} cargo test --release --package civicpulse --test it -- chaos --nocapture

# Every figure that the README quotes, as JSON under benches/results/.
bench *ARGS:
    mkdir -p benches/results
    cargo run --release --package benches -- {{ARGS}} | tee "benches/results/$(date -u +%Y%m%dT%H%M%SZ).json"

# How far shares of tones are off on topics that the model has not seen, for docs/methods/shares.md.
shares:
    cargo run --release --package models --example shares

# Write generated documentation again.
docs:
    CIVICPULSE_BLESS=1 cargo test --release --workspace -- docs
