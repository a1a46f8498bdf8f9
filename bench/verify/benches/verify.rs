//! Verifying one Standard Webhooks message: hookwright, the two reference crates, and the hash alone.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hookwright_bench_verify::{SECRET, Signed, verifier};
use hookwright_core::{Request, SignedParts};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(30);
    for bytes in [256, 1024, 16 * 1024, 1024 * 1024] {
        // The reference crates read the clock and refuse what is older than five minutes.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let now = i64::try_from(now).expect("not for a while");
        let signed = Signed::new(bytes, now);
        let key = BASE64.decode(&SECRET["whsec_".len()..]).expect("base64");
        let tag = BASE64.decode(&signed.signature["v1,".len()..]).expect("base64");
        group.throughput(Throughput::Bytes(bytes as u64));

        // What cannot be avoided: the hash over the signed bytes, and the comparison.
        let keyed = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
        group.bench_function(BenchmarkId::new("plain hmac + sha2", bytes), |bencher| {
            bencher.iter(|| {
                let mut mac = keyed.clone();
                mac.update(black_box(signed.id.as_bytes()));
                mac.update(b".");
                mac.update(black_box(signed.timestamp_text.as_bytes()));
                mac.update(b".");
                mac.update(black_box(&signed.body));
                assert!(bool::from(mac.finalize().into_bytes().as_slice().ct_eq(&tag)));
            });
        });

        let ring_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        group.bench_function(BenchmarkId::new("plain ring", bytes), |bencher| {
            bencher.iter(|| {
                let mut mac = ring::hmac::Context::with_key(&ring_key);
                mac.update(black_box(signed.id.as_bytes()));
                mac.update(b".");
                mac.update(black_box(signed.timestamp_text.as_bytes()));
                mac.update(b".");
                mac.update(black_box(&signed.body));
                assert!(bool::from(mac.sign().as_ref().ct_eq(&tag)));
            });
        });

        let ours = verifier();
        group.bench_function(BenchmarkId::new("hookwright, parts", bytes), |bencher| {
            bencher.iter(|| {
                let parts = SignedParts {
                    signature: black_box(signed.signature.as_bytes()),
                    timestamp: Some(black_box(signed.timestamp_text.as_bytes())),
                    id: Some(black_box(signed.id.as_bytes())),
                    method: "POST",
                    url: "",
                    body: black_box(&signed.body),
                };
                ours.verify_parts(&parts, now).expect("valid");
            });
        });

        let headers = signed.headers();
        group.bench_function(BenchmarkId::new("hookwright, headers", bytes), |bencher| {
            bencher.iter(|| {
                let request = Request {
                    method: "POST",
                    url: "",
                    headers: black_box(&headers),
                    body: black_box(&signed.body),
                };
                ours.verify(&request, now).expect("valid");
            });
        });

        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, HeaderValue::from_bytes(value).expect("a value"))
            })
            .collect();
        // What a server does: the borrowed pairs are collected per request.
        group.bench_function(BenchmarkId::new("hookwright, http::HeaderMap", bytes), |bencher| {
            bencher.iter(|| {
                let headers: Vec<_> = black_box(&map)
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_bytes()))
                    .collect();
                let request = Request {
                    method: "POST",
                    url: "",
                    headers: &headers,
                    body: black_box(&signed.body),
                };
                ours.verify(&request, now).expect("valid");
            });
        });

        let theirs = standardwebhooks::Webhook::new(SECRET).expect("a secret");
        group.bench_function(BenchmarkId::new("standardwebhooks", bytes), |bencher| {
            bencher.iter(|| theirs.verify(black_box(&signed.body), black_box(&map)).expect("valid"));
        });

        let theirs = svix::webhooks::Webhook::new(SECRET).expect("a secret");
        group.bench_function(BenchmarkId::new("svix", bytes), |bencher| {
            bencher.iter(|| theirs.verify(black_box(&signed.body), black_box(&map)).expect("valid"));
        });
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
