# The commands of everyday work, one line each. `just --list` shows them.

# Start the bridge with ./sgid-bridge.toml
run *arguments:
    cargo run --locked -- serve {{ arguments }}

# See a login work: bridge, simulated sgID and a small relying party
demo *arguments:
    cargo run --locked -- demo {{ arguments }}

# Run every test
test *arguments:
    cargo test --locked {{ arguments }}

# Check format and lints, warnings as errors
lint:
    cargo fmt --check && cargo clippy --locked --all-targets -- -D warnings

# Check advisories, licences, sources and duplicate crates
deny:
    cargo deny --locked check
