# Where the whole workshop works without a Rust toolchain on the laptop, and on Windows: for Dev Containers and Codespaces, see
# .devcontainer/. The project itself is mounted, not copied.
#
# BUILD_BASE is an argument as in deploy/Dockerfile: Debian with cargo and a C linker.
ARG BUILD_BASE=rust:1.95-bookworm
FROM ${BUILD_BASE}

# What the base lacks. PostgreSQL's server programs alone: each run starts one of its own, and none for the machine.
RUN has() { command -v "$1" >/dev/null 2>&1; } \
    && if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || ! has make || ! has curl || ! has git; then \
           apt-get update \
           && mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
           && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql make curl git \
           && rm -rf /var/lib/apt/lists/*; \
       fi

# PostgreSQL does not run as root, nor need anything here. Cargo keeps crates in its home.
RUN useradd --create-home --shell /bin/bash workshop && find "${CARGO_HOME}" -type d -exec chmod a+rwx {} +
USER workshop
