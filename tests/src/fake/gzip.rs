//! Small compressed bodies that unpack to something large.

use std::io::{self, Read as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A gzip stream of `bytes` spaces.
pub(crate) fn spaces(bytes: u64) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut io::repeat(b' ').take(bytes), &mut encoder)
        .and_then(|_| encoder.finish())
        .expect("writing to memory does not fail")
        .into()
}
