//! TLS on the port.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use hookwright_proto::v1::webhook_service_client::WebhookServiceClient;
use hookwright_server::{Config, Server, TlsFiles};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::{
    assert_served, impatient,
    raw::{get, say, secure, until_closed},
};
use crate::{
    adversarial::tls_server::{Authority, Identity},
    command_line::{binary, run, stdout},
    harness::{Client, Database, PATIENCE, config, until},
};

pub(super) const FOREVER: i32 = 4_000;

/// Files of a server, and of the authority whose clients it lets in.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new(identity: &Identity, clients: Option<&Authority>) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write(identity);
        if let Some(clients) = clients {
            std::fs::write(files.0.path().join("ca.pem"), clients.pem()).unwrap();
        }
        files
    }

    pub(super) fn write(&self, identity: &Identity) {
        std::fs::write(self.0.path().join("cert.pem"), identity.certificate_pem()).unwrap();
        std::fs::write(self.0.path().join("key.pem"), identity.key_pem()).unwrap();
    }

    pub(super) fn tls(&self) -> TlsFiles {
        let client_authorities = self.0.path().join("ca.pem");
        TlsFiles {
            certificate: self.0.path().join("cert.pem"),
            key: self.0.path().join("key.pem"),
            client_authorities: client_authorities.exists().then_some(client_authorities),
            reload_interval: Duration::from_millis(20),
        }
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

async fn start_tls(mut config: Config, files: &Files) -> Server {
    config.tls = Some(files.tls());
    Server::start(config).await.unwrap()
}

pub(super) async fn connect(server: &Server, trusted: &Authority) -> Result<Client, tonic::transport::Error> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted.pem()));
    let endpoint = Endpoint::from_shared(server.url()).unwrap();
    Ok(WebhookServiceClient::new(
        endpoint.tls_config(tls)?.connect().await?,
    ))
}

/// Keys and payloads would cross the network for everybody to read, or clients would talk to whoever answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_clients_are_served_whatever_others_say() {
    let (authority, another) = (Authority::new(), Authority::new());
    let files = Files::new(&authority.issue("127.0.0.1", FOREVER), None);
    let database = Database::sqlite();
    let server = start_tls(impatient(&database), &files).await;
    let mut client = connect(&server, &authority).await.unwrap();
    assert_served(&mut client).await;
    let mut plain = secure(server.local_addr(), &authority, None).await.unwrap();
    assert!(get(&mut plain).await.unwrap().starts_with("HTTP/1.1 "));

    assert!(
        connect(&server, &another).await.is_err(),
        "it is not who the client trusts"
    );
    let told = say(server.local_addr(), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let told = String::from_utf8(told).unwrap();
    assert!(
        told.starts_with("HTTP/1.1 400 ") && told.contains("https://"),
        "{told}"
    );
    // A handshake that does not begin, stops half-way, or is none.
    for said in [&b""[..], &[0x16, 3, 1, 2, 0, 1, 0], &[0xff; 5_000]] {
        let _ = say(server.local_addr(), said).await;
        assert_served(&mut client).await;
    }
    // Behind the handshake the same limits hold.
    let mut silent = secure(server.local_addr(), &authority, None).await.unwrap();
    let _ = tokio::time::timeout(PATIENCE, silent.read(&mut [0; 100]))
        .await
        .expect("it is kept for ever");
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// Who has no certificate of the authority could call all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_tls_lets_in_whom_the_authority_vouches_for() {
    let (authority, clients, another) = (Authority::new(), Authority::new(), Authority::new());
    let files = Files::new(&authority.issue("127.0.0.1", FOREVER), Some(&clients));
    let database = Database::sqlite();
    let server = start_tls(config(database.address()), &files).await;
    let good = clients.issue("billing.example", FOREVER);
    for (identity, is_good) in [
        (Some(&good), true),
        (None, false),
        (Some(&another.issue("billing.example", FOREVER)), false),
        (Some(&clients.issue("billing.example", 2_021)), false),
        (Some(&good), true),
    ] {
        let answered = async {
            let mut stream = secure(server.local_addr(), &authority, identity).await?;
            get(&mut stream).await
        };
        let is_served = answered.await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 "));
        assert_eq!(is_served, is_good);
    }

    // As people call it.
    std::fs::write(files.path("client.pem"), good.certificate_pem()).unwrap();
    std::fs::write(files.path("client.key"), good.key_pem()).unwrap();
    std::fs::write(files.path("server-ca.pem"), authority.pem()).unwrap();
    let (url, ca) = (server.url(), files.path("server-ca.pem"));
    let (certificate, key) = (files.path("client.pem"), files.path("client.key"));
    let plain = url.replace("https:", "http:");
    let list = |args: &[&str]| {
        let args = [&["webhooks", "--json", "--server"], args].concat();
        let output = tokio::task::block_in_place(|| run(&args));
        let told = format!("{}{}", stdout(&output), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), told)
    };
    let whole = [
        &url,
        "--ca",
        &ca,
        "--client-cert",
        &certificate,
        "--client-key",
        &key,
    ];
    assert_eq!(list(&whole), (0, "[]\n".to_owned()));
    let (code, told) = list(&[&url]);
    assert!(code == 3 && told.contains("UnknownIssuer"), "{code}: {told}");
    let (code, told) = list(&[&url, "--ca", "no-such-file"]);
    assert!(
        code == 2 && told.contains("cannot read no-such-file"),
        "{code}: {told}"
    );
    let (code, told) = list(&[&plain, "--ca", &ca]);
    assert!(code == 2 && told.contains("https"), "{code}: {told}");
    let (code, told) = list(&[&url, "--ca", &ca]);
    assert!(code != 0, "{told}");
    server.stop().await.unwrap();
    database.remove().await;
}

/// Every renewal would need a restart, or a bad one would be an outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_swapped_under_load() {
    let (first, second) = (Authority::new(), Authority::new());
    let files = Files::new(&first.issue("127.0.0.1", FOREVER), None);
    let database = Database::sqlite();
    let server = start_tls(config(database.address()), &files).await;
    // It trusts the first authority alone: when its connection is lost, it cannot come back.
    let client = connect(&server, &first).await.unwrap();
    let (is_over, published) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async {
        let mut client = client.clone();
        while !is_over.load(Ordering::Relaxed) {
            assert_served(&mut client).await;
            published.fetch_add(1, Ordering::Relaxed);
        }
    };
    let swap = async {
        // Of two files only one is new: they do not fit together.
        let renewed = second.issue("127.0.0.1", FOREVER);
        std::fs::write(files.path("cert.pem"), renewed.certificate_pem()).unwrap();
        let before = published.load(Ordering::Relaxed);
        until("calls go on", async || {
            published.load(Ordering::Relaxed) > before + 20
        })
        .await;
        connect(&server, &first).await.expect("the old pair stays in use");
        files.write(&renewed);
        until("the new certificate is shown", async || {
            connect(&server, &second).await.is_ok()
        })
        .await;
        assert!(connect(&server, &first).await.is_err());
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, swap);
    server.stop().await.unwrap();
    database.remove().await;
}

/// In Kubernetes certificates would be renewed in the files and not in the service.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swapped_folder_is_noticed() {
    let (first, second) = (Authority::new(), Authority::new());
    let versions = [
        Files::new(&first.issue("127.0.0.1", FOREVER), None),
        Files::new(&second.issue("127.0.0.1", FOREVER), None),
    ];
    // All files are links through a folder that is a link itself.
    let mount = tempfile::tempdir().unwrap();
    let link = |to: &Path| {
        let (made, used) = (mount.path().join("..data_tmp"), mount.path().join("..data"));
        std::os::unix::fs::symlink(to, &made).unwrap();
        std::fs::rename(made, used).unwrap();
    };
    link(versions[0].0.path());
    for name in ["cert.pem", "key.pem"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), mount.path().join(name)).unwrap();
    }
    let files = Files(mount);
    let database = Database::sqlite();
    let server = start_tls(config(database.address()), &files).await;
    connect(&server, &first).await.unwrap();
    let (made, used) = (files.0.path().join("..data_tmp"), files.0.path().join("..data"));
    std::os::unix::fs::symlink(versions[1].0.path(), &made).unwrap();
    std::fs::rename(made, used).unwrap();
    until("the new certificate is shown", async || {
        connect(&server, &second).await.is_ok()
    })
    .await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// Who starts it with the wrong file would have to guess which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_the_files_is_told_at_the_start() {
    let authority = Authority::new();
    let identity = authority.issue("127.0.0.1", FOREVER);
    let database = Database::sqlite();
    for (file, contents, told) in [
        ("key.pem", None, "cannot read "),
        (
            "key.pem",
            Some(authority.issue("127.0.0.1", FOREVER).key_pem()),
            "this is not the key of ",
        ),
        (
            "key.pem",
            Some(identity.certificate_pem()),
            "has no private key in PEM",
        ),
        ("cert.pem", Some(identity.key_pem()), "has no certificate in PEM"),
        (
            "cert.pem",
            Some(identity.certificate_pem().replace('M', "?")),
            "cert.pem: ",
        ),
        ("ca.pem", Some(String::new()), "has no certificate in PEM"),
    ] {
        let files = Files::new(&identity, Some(&authority));
        match contents {
            Some(contents) => std::fs::write(files.path(file), contents).unwrap(),
            None => std::fs::remove_file(files.path(file)).unwrap(),
        }
        let mut config = config(database.address());
        config.tls = Some(files.tls());
        let refused = Server::start(config).await.unwrap_err().to_string();
        assert!(refused.contains(told) && refused.contains(file), "{refused}");
    }
    database.remove().await;
}

/// `serve` as it is typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_takes_the_files() {
    let authority = Authority::new();
    let files = Files::new(&authority.issue("127.0.0.1", FOREVER), None);
    let mut process = ServeProcess(
        Command::new(binary())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--data",
                &files.path("data.db"),
            ])
            .args([
                "--tls-cert",
                &files.path("cert.pem"),
                "--tls-key",
                &files.path("key.pem"),
            ])
            .args(["--connections-max", "100", "--connections-per-address-max", "2"])
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    let output = process.0.stdout.take().unwrap();
    tokio::task::block_in_place(|| BufReader::new(output).read_line(&mut line)).unwrap();
    let address = line
        .trim()
        .strip_prefix("listening on https://")
        .unwrap()
        .parse()
        .unwrap();
    let mut one = secure(address, &authority, None).await.unwrap();
    let _another = secure(address, &authority, None).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    assert_eq!(until_closed(&mut third).await, b"");
    assert!(get(&mut one).await.unwrap().starts_with("HTTP/1.1 "));
}

/// Ends with the test.
struct ServeProcess(Child);

impl Drop for ServeProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
