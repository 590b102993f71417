//! Certificates: an authority of the fake's own, and one certificate per host, made when first asked for.
//!
//! Every certificate is proper unless a host was told to present something else. No provider is installed
//! process-wide; that is the client's business.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

/// What a host shows in the TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Presented {
    /// A certificate for the host, signed by the fake's authority.
    #[default]
    Proper,
    /// A certificate for the host, signed by an authority that nobody was told about.
    UnknownAuthority,
    /// A certificate of the fake's authority for this other name.
    WrongName(String),
    /// A certificate for the host, signed by the fake's authority, that ran out years ago.
    Expired,
}

type Signer = Issuer<'static, KeyPair>;

pub(crate) struct Authority {
    pem: String,
    trusted: Signer,
    stranger: Signer,
    presented: Mutex<HashMap<String, Presented>>,
    configs: Mutex<HashMap<(String, Presented), Arc<ServerConfig>>>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let (pem, trusted) = authority("Fake Forge Authority")?;
        let (_, stranger) = authority("Somebody Else's Authority")?;
        Ok(Self { pem, trusted, stranger, presented: Mutex::default(), configs: Mutex::default() })
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn present(&self, host: &str, presented: Presented) {
        self.presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(host.to_ascii_lowercase(), presented);
    }

    /// The handshake configuration for a host in lower case.
    pub(crate) fn config(&self, host: &str) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
        let presented = self
            .presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(host)
            .cloned()
            .unwrap_or_default();
        let key = (host.to_owned(), presented);
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&key) {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make(&key.0, &key.1)?);
        configs.insert(key, config.clone());
        Ok(config)
    }

    /// A certificate for a host in lower case and its key, as PEM files hold them.
    pub(crate) fn pem_pair(&self, host: &str) -> Result<(String, String), rcgen::Error> {
        let presented = self.presented.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        let (certificate, key) = self.certify(host, &presented.unwrap_or_default())?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    fn make(&self, host: &str, presented: &Presented) -> Result<ServerConfig, Box<dyn std::error::Error>> {
        let (certificate, key) = self.certify(host, presented)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?)
    }

    fn certify(&self, host: &str, presented: &Presented) -> Result<(Certificate, KeyPair), rcgen::Error> {
        let names = match presented {
            Presented::WrongName(other) => vec![other.clone()],
            _ if is_loopback(host) => ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            _ => vec![host.to_owned()],
        };
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "Fake Forge");
        params.use_authority_key_identifier_extension = true;
        if *presented == Presented::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let signer = match presented {
            Presented::UnknownAuthority => &self.stranger,
            _ => &self.trusted,
        };
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, signer)?, key))
    }
}

/// Whether a host name (without port, in lower case) is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
}

fn authority(name: &str) -> Result<(String, Signer), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}
