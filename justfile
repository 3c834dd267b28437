# The commands of everyday work, one line each. `just --list` shows them.

# Start the bridge with ./sgid-bridge.toml
run *arguments:
    cargo run --locked -- serve {{ arguments }}

# See a login work: bridge, simulated sgID and a small relying party
demo *arguments:
    ./scripts/demo {{ arguments }}

# Install what the tests need, and run every check and test
test:
    ./scripts/test

# Run the tests alone, or some of them by name
quick *arguments:
    cargo test --locked {{ arguments }}

# Check format and lints, warnings as errors
lint:
    cargo fmt --check && cargo clippy --locked --all-targets -- -D warnings

# Check advisories, licences, sources and duplicate crates
deny:
    cargo deny --locked check

# Measure what a login costs beside the cryptography that it cannot avoid
bench:
    cargo bench --locked
