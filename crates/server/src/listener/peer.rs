//! Who is at the other end of a connection.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
};

/// Who is at the other end of a connection: in the extensions of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where the connection comes from: the client, or the proxy before us.
    pub address: SocketAddr,
    /// The certificate that it showed and that a client authority vouches for. None without mutual TLS.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What a verified client certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The distinguished name, such as `CN=billing, O=Example`.
    pub subject: String,
    /// Alternative names: DNS names, e-mail addresses, URIs (SPIFFE ids are such) and IP addresses.
    pub names: Vec<String>,
}

impl ClientCertificate {
    /// Reads a certificate that was verified. What cannot be read of it is left out: it says who, not whether.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return Self::default();
        };
        let extensions = parsed.extensions().iter();
        let names = extensions.filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        Self {
            subject: parsed.subject().to_string(),
            names: names.flatten().filter_map(text).collect(),
        }
    }
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    /// The audit log would not say who it was.
    #[test]
    fn a_certificate_says_who() {
        let mut params =
            CertificateParams::new(["billing.example".to_owned(), "192.0.2.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "billing");
        let spiffe = "spiffe://example.org/billing";
        params
            .subject_alt_names
            .push(SanType::URI(spiffe.try_into().unwrap()));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = ClientCertificate::read(certificate.der());
        assert!(read.subject.contains("CN=billing"), "{read:?}");
        assert_eq!(read.names, ["billing.example", "192.0.2.1", spiffe]);
        assert_eq!(
            ClientCertificate::read(&CertificateDer::from(vec![1, 2, 3])),
            ClientCertificate::default()
        );
    }
}
