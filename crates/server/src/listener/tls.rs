//! TLS on the port: which certificate is shown, and whose clients are let in.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::lifecycle::install_tls_provider;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// The files that TLS on the port is made of, all in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// How often they are looked at, for they change while the server runs.
    pub reload_interval: Duration,
    /// The certificate, followed by those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose clients are let in. With it, a client without a certificate of theirs is not.
    pub client_authorities: Option<PathBuf>,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is nothing in a file that should be.
    #[error("{} has no {wanted} in PEM", file.display())]
    Missing {
        /// Which file.
        file: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// What is in a file cannot be used.
    #[error("{}: {problem}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// Why not.
        problem: String,
    },
}

impl TlsFiles {
    /// Whether a port could be served with what is in the files now.
    pub fn check(&self) -> Result<(), TlsError> {
        install_tls_provider();
        Contents::read(self)?.config(self).map(|_| ())
    }
}

/// What was in the files at one moment. Not to be printed: the key is in it.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
    client_authorities: Option<Vec<u8>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[REDACTED]")
    }
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |file: &PathBuf| {
            std::fs::read(file).map_err(|source| TlsError::Unreadable {
                file: file.clone(),
                source,
            })
        };
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?.into(),
            client_authorities: files.client_authorities.as_ref().map(read).transpose()?,
        })
    }

    /// TLS as these contents want it. `files` are named in what is wrong.
    ///
    /// Versions and suites are rustls' own choice: TLS 1.2 and 1.3 with forward secrecy and authenticated encryption.
    pub(super) fn config(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => TlsError::Missing {
                file: files.key.clone(),
                wanted: "private key",
            },
            error => unusable(&files.key, &error),
        })?;
        let builder = ServerConfig::builder();
        let builder = match (&self.client_authorities, &files.client_authorities) {
            (Some(pem), Some(file)) => {
                let verifier = WebPkiClientVerifier::builder(Arc::new(authorities(pem, file)?))
                    .build()
                    .map_err(|error| unusable(file, &error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => unusable(
                    &files.key,
                    &format_args!("this is not the key of {}", files.certificate.display()),
                ),
                error => unusable(&files.certificate, &error),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn authorities(pem: &[u8], file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, file)? {
        roots.add(certificate).map_err(|error| unusable(file, &error))?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(file, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::Missing {
            file: file.to_owned(),
            wanted: "certificate",
        });
    }
    Ok(certificates)
}

fn unusable(file: &Path, problem: &dyn fmt::Display) -> TlsError {
    TlsError::Unusable {
        file: file.to_owned(),
        problem: problem.to_string(),
    }
}
