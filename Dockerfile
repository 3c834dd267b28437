# sgid-bridge as a container: built on Debian bookworm, run on a distroless image of the same Debian,
# so that the OpenSSL it was linked against is the OpenSSL it meets. Needs BuildKit, Docker's default builder.
#
#   docker build -t sgid-bridge .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -p 8080:8080 -v ./sgid-bridge.toml:/etc/sgid-bridge/sgid-bridge.toml:ro -v ./keys:/etc/sgid-bridge/keys:ro \
#     sgid-bridge
#
# In a container, listen on 0.0.0.0. Paths in the configuration are relative to its folder, /etc/sgid-bridge.
# The bridge runs as user 65532, so that user must be able to read the mounted files.

FROM rust:1.95-slim-bookworm AS build

# OpenSSL's headers for josekit. The C compiler for ring and SQLite is in the image already.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /build
COPY . .

# The caches stay with the builder: a change of ours does not compile the dependencies again.
# A cache is no part of a layer, so the binary is copied out within the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin sgid-bridge \
    && cp target/release/sgid-bridge /usr/local/bin/sgid-bridge \
    && mkdir /empty


# glibc, libgcc, OpenSSL 3 and the CA certificates; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot

COPY --from=build /usr/local/bin/sgid-bridge /usr/local/bin/sgid-bridge

# A folder for SQLite: mount a volume here and name the file in full, sqlite:///var/lib/sgid-bridge/sgid-bridge.db. A
# relative one, as by default, lies in the folder of the configuration. With Postgres nothing is written, and the root
# can be read-only.
COPY --from=build --chown=65532:65532 /empty /var/lib/sgid-bridge
WORKDIR /var/lib/sgid-bridge

USER 65532:65532

# No EXPOSE and no HEALTHCHECK: which ports are open, and whether there is a management listener, is configuration.
# Orchestrators ask /health/live and /health/ready there.
ENTRYPOINT ["/usr/local/bin/sgid-bridge"]
CMD ["serve"]
