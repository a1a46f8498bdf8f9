//! TLS settings of a policy, made ready.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};

use crate::{ClientIdentity, Policy, PolicyError, SetupError, TlsVersion};

const CERTIFICATES_MAX: usize = 16;
const PEM_BYTES_MAX: usize = 64 * 1024;
const MODERN: &[&SupportedProtocolVersion] = &[&TLS13];
const COMMON: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What all policies have in common: the implementation, and the machine's authorities, which are read once.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    provider: Arc<CryptoProvider>,
    machine: Arc<dyn ServerCertVerifier>,
}

impl Trust {
    pub(crate) fn load() -> Result<Self, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let machine = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
            .map_err(|error| SetupError::Tls(error.to_string()))?;
        Ok(Self {
            provider,
            machine: Arc::new(machine),
        })
    }

    /// What a policy says about TLS towards the receiver.
    pub(crate) fn config(&self, policy: &Policy) -> Result<ClientConfig, PolicyError> {
        let verifier = match &policy.ca_certificates {
            None => Arc::clone(&self.machine),
            Some(pem) => self.verifier(pem)?,
        };
        let mut config = self.build(policy.min_tls, verifier, policy.client.as_ref())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// TLS towards a proxy: HTTP/1.1 only, and none of what is meant for the receiver.
    pub(crate) fn proxy_config(&self) -> Result<ClientConfig, PolicyError> {
        self.build(TlsVersion::V1_2, Arc::clone(&self.machine), None)
    }

    fn verifier(&self, pem: &str) -> Result<Arc<dyn ServerCertVerifier>, PolicyError> {
        let refused = PolicyError::Authorities;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem).map_err(refused)? {
            roots
                .add(certificate)
                .map_err(|error| refused(error.to_string()))?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|error| refused(error.to_string()))?;
        Ok(verifier)
    }

    fn build(
        &self,
        min_tls: TlsVersion,
        verifier: Arc<dyn ServerCertVerifier>,
        client: Option<&ClientIdentity>,
    ) -> Result<ClientConfig, PolicyError> {
        let versions = match min_tls {
            TlsVersion::V1_2 => COMMON,
            TlsVersion::V1_3 => MODERN,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(|error| PolicyError::Authorities(error.to_string()))?
            // "Dangerous" is bringing a verifier; both of ours verify everything.
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let Some(client) = client else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(&client.certificate).map_err(PolicyError::ClientCertificate)?;
        let key = private_key(&client.key)?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    PolicyError::ClientKey(String::from("it belongs to another certificate"))
                }
                rustls::Error::InvalidCertificate(_) => PolicyError::ClientCertificate(error.to_string()),
                error => PolicyError::ClientKey(error.to_string()),
            })
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if pem.len() > PEM_BYTES_MAX {
        return Err(format!("more than {} KiB", PEM_BYTES_MAX / 1024));
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .take(CERTIFICATES_MAX + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("not PEM: {error}"))?;
    match found.len() {
        0 => Err(String::from("no `-----BEGIN CERTIFICATE-----` in it")),
        count if count > CERTIFICATES_MAX => Err(format!("more than {CERTIFICATES_MAX} certificates")),
        _ => Ok(found),
    }
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, PolicyError> {
    let refused = |problem: &str| PolicyError::ClientKey(problem.to_owned());
    if pem.len() > PEM_BYTES_MAX {
        return Err(refused("more than 64 KiB"));
    }
    if pem.contains("ENCRYPTED") {
        return Err(refused("it is protected with a password; send it without one"));
    }
    // What the parser says could quote the key.
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| refused("no private key in PEM (PKCS#8, PKCS#1 or SEC1) in it"))
}
