//! Key agreement: ECDH-ES of RFC 7518, section 4.6, on P-256 and X25519.

use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::compact::encode;
use super::error::JweKeyError;
use super::header::Algorithm;
use super::jwk::{Jwk, KEY_BYTES};

/// What SEC 1 puts before two coordinates in full.
const UNCOMPRESSED: u8 = 4;

/// A public key that is on its curve and that no private key agrees with to a constant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PublicPoint {
    P256(p256::PublicKey),
    X25519(x25519_dalek::PublicKey),
}

/// The private half.
#[derive(Clone)]
pub(super) enum PrivateScalar {
    P256(p256::SecretKey),
    X25519(StaticSecret),
}

/// What the two sides agree on and nobody else knows. Not uniformly random: only good for deriving a key.
pub(super) struct SharedSecret(Zeroizing<[u8; KEY_BYTES]>);

impl PublicPoint {
    pub(super) fn of(jwk: &Jwk) -> Result<Self, JweKeyError> {
        match (jwk.kty.as_deref(), jwk.crv.as_deref()) {
            (Some("EC"), Some("P-256")) => {
                let mut point = [UNCOMPRESSED; 1 + 2 * KEY_BYTES];
                point[1..=KEY_BYTES].copy_from_slice(jwk.x()?.as_slice());
                point[1 + KEY_BYTES..].copy_from_slice(jwk.y()?.as_slice());
                p256::PublicKey::from_sec1_bytes(&point)
                    .map(Self::P256)
                    .map_err(|_| JweKeyError::Point)
            }
            (Some("OKP"), Some("X25519")) => {
                let point = x25519_dalek::PublicKey::from(*jwk.x()?);
                // A point of small order takes every private key to zero. One agreement shows it.
                if StaticSecret::from([1; KEY_BYTES])
                    .diffie_hellman(&point)
                    .was_contributory()
                {
                    Ok(Self::X25519(point))
                } else {
                    Err(JweKeyError::Point)
                }
            }
            _ => Err(JweKeyError::Unsupported),
        }
    }

    /// The members of a JWK, without its braces.
    pub(super) fn write_members(&self, out: &mut String) {
        match self {
            Self::P256(point) => {
                let point = point.to_sec1_point(false);
                out.push_str(r#""kty":"EC","crv":"P-256","x":""#);
                encode(point.x().map_or(&[][..], AsRef::as_ref), out);
                out.push_str(r#"","y":""#);
                encode(point.y().map_or(&[][..], AsRef::as_ref), out);
            }
            Self::X25519(point) => {
                out.push_str(r#""kty":"OKP","crv":"X25519","x":""#);
                encode(point.as_bytes(), out);
            }
        }
        out.push('"');
    }

    /// Agrees with the owner of the private key on a secret: makes a key pair for this one message, and answers with
    /// its public half.
    pub(super) fn agree<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> (Self, SharedSecret) {
        match self {
            Self::P256(theirs) => {
                let ours = p256::ecdh::EphemeralSecret::generate_from_rng(rng);
                let secret = SharedSecret::of_p256(&ours.diffie_hellman(theirs));
                (Self::P256(ours.public_key()), secret)
            }
            Self::X25519(theirs) => {
                let ours = StaticSecret::random_from_rng(rng);
                let secret = SharedSecret::of_x25519(&ours.diffie_hellman(theirs));
                (Self::X25519((&ours).into()), secret)
            }
        }
    }
}

impl PrivateScalar {
    pub(super) fn of(jwk: &Jwk) -> Result<Self, JweKeyError> {
        let beside = PublicPoint::of(jwk)?;
        let bytes = jwk.d()?;
        let scalar = match beside {
            PublicPoint::P256(_) => p256::SecretKey::from_slice(bytes.as_slice())
                .map(Self::P256)
                .map_err(|_| JweKeyError::Member {
                    member: "d",
                    reason: "is no private key of the curve",
                })?,
            PublicPoint::X25519(_) => Self::X25519(StaticSecret::from(*bytes)),
        };
        if scalar.public() == beside {
            Ok(scalar)
        } else {
            Err(JweKeyError::Mismatch)
        }
    }

    pub(super) fn public(&self) -> PublicPoint {
        match self {
            Self::P256(scalar) => PublicPoint::P256(scalar.public_key()),
            Self::X25519(scalar) => PublicPoint::X25519(scalar.into()),
        }
    }

    /// `None` when the two are on different curves, or agree on nothing.
    pub(super) fn agree(&self, theirs: &PublicPoint) -> Option<SharedSecret> {
        let secret = match (self, theirs) {
            (Self::P256(ours), PublicPoint::P256(theirs)) => {
                SharedSecret::of_p256(&ours.diffie_hellman(theirs))
            }
            (Self::X25519(ours), PublicPoint::X25519(theirs)) => {
                SharedSecret::of_x25519(&ours.diffie_hellman(theirs))
            }
            _ => return None,
        };
        (!secret.is_zero()).then_some(secret)
    }

    pub(super) fn is_on_the_curve_of(&self, point: &PublicPoint) -> bool {
        matches!(
            (self, point),
            (Self::P256(_), PublicPoint::P256(_)) | (Self::X25519(_), PublicPoint::X25519(_))
        )
    }
}

impl SharedSecret {
    fn of_p256(secret: &p256::ecdh::SharedSecret) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes.copy_from_slice(secret.raw_secret_bytes());
        Self(bytes)
    }

    fn of_x25519(secret: &x25519_dalek::SharedSecret) -> Self {
        Self(Zeroizing::new(secret.to_bytes()))
    }

    fn is_zero(&self) -> bool {
        self.0.ct_eq(&[0; KEY_BYTES]).into()
    }

    /// The key that wraps the content key.
    pub(super) fn wrapping_key(&self, party_u: &[u8], party_v: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        self.derive(Algorithm::EcdhEsA256Kw.name(), party_u, party_v, 256)
    }

    /// The Concat KDF (NIST SP 800-56A, section 5.8.1) with SHA-256 and what RFC 7518 says goes into it. One round
    /// makes 256 bits, and none of our keys has more.
    fn derive(
        &self,
        algorithm: &str,
        party_u: &[u8],
        party_v: &[u8],
        bits: u32,
    ) -> Zeroizing<[u8; KEY_BYTES]> {
        const ROUND: [u8; 4] = 1_u32.to_be_bytes();
        let mut hash = Sha256::new().chain_update(ROUND).chain_update(self.0.as_slice());
        for field in [algorithm.as_bytes(), party_u, party_v] {
            // Headers of 4 KiB hold no field whose length does not fit.
            hash.update(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(field);
        }
        hash.update(bits.to_be_bytes());
        Zeroizing::new(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = r#"{"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps","d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"}"#;
    const BOB: &str = r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}"#;

    fn scalar(text: &str) -> PrivateScalar {
        PrivateScalar::of(&Jwk::parse(text).unwrap()).unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode(bytes, &mut text);
        text
    }

    #[test]
    fn alice_and_bob_of_rfc_7518_appendix_c_derive_its_key() {
        let (alice, bob) = (scalar(ALICE), scalar(BOB));
        for secret in [alice.agree(&bob.public()), bob.agree(&alice.public())] {
            let secret = secret.unwrap();
            assert_eq!(
                secret.0.as_slice(),
                [
                    158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110,
                    163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196
                ]
            );
            let key = secret.derive("A128GCM", b"Alice", b"Bob", 128);
            assert_eq!(text(&key[..16]), "VqqN6vgjbSBcIijNcacQGg");
        }
    }

    #[test]
    fn alice_and_bob_of_rfc_7748_agree_on_its_secret() {
        // RFC 7748, section 6.1; as JWK in RFC 8037, appendix A.6.
        let bob =
            Jwk::parse(r#"{"kty":"OKP","crv":"X25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}"#);
        let alice = scalar(
            r#"{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",
                "d":"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo"}"#,
        );
        let secret = alice.agree(&PublicPoint::of(&bob.unwrap()).unwrap()).unwrap();
        assert_eq!(
            text(secret.0.as_slice()),
            "Sl2dW6TOLeFyjjv0gDUPJeB-IclH0Z4zdvCbPB4WF0I"
        );
    }

    #[test]
    fn points_that_are_not_on_the_curve_are_refused() {
        let refusal = |text: &str| PublicPoint::of(&Jwk::parse(text).unwrap()).err();
        let off_curve = ALICE.replace("SLW_", "SLX_");
        assert_eq!(refusal(&off_curve), Some(JweKeyError::Point));
        let zeros = "A".repeat(43);
        let origin = format!(r#"{{"kty":"EC","crv":"P-256","x":"{zeros}","y":"{zeros}"}}"#);
        assert_eq!(refusal(&origin), Some(JweKeyError::Point));
    }

    #[test]
    fn points_of_small_order_are_refused() {
        // The five of RFC 7748's curve below 2^255 (Bernstein's list), least significant byte first.
        let small = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for hex in small {
            let bytes: Vec<u8> = (0..32)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let jwk = format!(r#"{{"kty":"OKP","crv":"X25519","x":"{}"}}"#, text(&bytes));
            assert_eq!(
                PublicPoint::of(&Jwk::parse(&jwk).unwrap()).err(),
                Some(JweKeyError::Point),
                "{hex}"
            );
        }
    }
}
