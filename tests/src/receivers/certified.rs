//! Certificates of receivers that have TLS.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use tempfile::TempDir;

use crate::fake::{Authority, Presented};

/// A certificate for this machine, and the authority that vouches for it or does not.
pub struct Certified {
    authority: Authority,
    dir: TempDir,
}

impl Certified {
    /// One that the authority in [`Certified::ca_file`] vouches for.
    ///
    /// # Panics
    /// If it cannot be made, as everywhere in here.
    pub fn new() -> Self {
        Self::presenting(Presented::Proper)
    }

    /// One with a fault.
    pub fn presenting(presented: Presented) -> Self {
        let authority = Authority::new().expect("an authority can be made");
        authority.present("127.0.0.1", presented);
        let dir = TempDir::new().expect("a temporary folder");
        let pair = authority.pem_pair("127.0.0.1").expect("a certificate can be made");
        for (name, text) in [("ca.pem", authority.pem()), ("certificate.pem", &pair.0), ("key.pem", &pair.1)]
        {
            std::fs::write(dir.path().join(name), text).expect("a file can be written");
        }
        Self { authority, dir }
    }

    /// The file with the authority that everybody trusts who is told of it.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub(super) fn certificate_file(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// What a server that presents it needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.authority.config("127.0.0.1").expect("a certificate can be made")
    }
}

impl Default for Certified {
    fn default() -> Self {
        Self::new()
    }
}
