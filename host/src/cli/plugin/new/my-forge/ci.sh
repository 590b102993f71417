#!/bin/sh
# What has to pass, here and in CI.
set -eu
cd "$(dirname "$0")"

cargo fmt --check
cargo clippy --all-targets -- -D warnings
cargo test
cargo build --release

command -v forgewatch >/dev/null || {
    echo "there is no forgewatch on PATH: install it, the conformance run is a part of this" >&2
    exit 1
}
extension=so
[ "$(uname)" != Darwin ] || extension=dylib
library=${CARGO_TARGET_DIR:-target}/release/libmy_forge.$extension
forgewatch plugin verify "$library"
forgewatch plugin test "$library" --replay conformance.toml
