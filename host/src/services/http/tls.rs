//! Whom the client trusts: the system's roots and the certificates of `ca_file`.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::BuildError;

/// The text of a `ca_file`.
pub(super) fn read(ca_file: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(ca_file)
        .map_err(|error| BuildError::CaFile { path: ca_file.to_owned(), problem: error.to_string() })
}

/// Without any root this is no error: each TLS connection will say that it trusts nobody.
pub(super) fn config(authorities: Option<(&Path, &[u8])>) -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!("a system certificate was left out: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some((path, text)) = authorities {
        add(&mut roots, text).map_err(|problem| BuildError::CaFile { path: path.to_owned(), problem })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| BuildError::Tls { source })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add(roots: &mut RootCertStore, text: &[u8]) -> Result<(), String> {
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        found = true;
    }
    match found {
        true => Ok(()),
        false => Err("there is no PEM certificate in it".to_owned()),
    }
}
