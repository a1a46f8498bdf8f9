//! A real SMTP server, and a door in front of it that can be closed.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use hookwright_server::Smtp;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

use super::PATIENCE;

/// Of the e-mails that a server under test sends.
pub(crate) const SENDER: &str = "DigiVault <alerts@digivault.example>";

/// A message as the server took it, read by another program's parser.
#[derive(Debug, Deserialize)]
pub(crate) struct Mail {
    pub(crate) from: String,
    /// The envelope's recipients.
    pub(crate) to: Vec<String>,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) raw: String,
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
}

impl Mail {
    /// The only header of this name.
    pub(crate) fn header(&self, wanted: &str) -> &str {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(values.len(), 1, "{wanted} in {:?}", self.headers);
        values[0]
    }

    pub(crate) fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }
}

#[derive(Deserialize)]
struct Greeting {
    port: u16,
    authority: Option<String>,
}

pub(crate) struct SmtpServer {
    /// Ends when its standard input, which this holds, is closed.
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    authority: Option<String>,
}

impl SmtpServer {
    pub(crate) async fn start(options: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/smtp-server");
        let mut process = Command::new(script)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap();
        let greeting: Greeting = serde_json::from_str(&line.expect("the SMTP server starts")).unwrap();
        Self {
            _process: process,
            lines,
            address: ([127, 0, 0, 1], greeting.port).into(),
            authority: greeting.authority,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file's worth of certificates to trust.
    pub(crate) fn authority(&self) -> Option<&[u8]> {
        self.authority.as_deref().map(str::as_bytes)
    }

    /// As a service is configured that sends through it without a login.
    pub(crate) fn plain(&self) -> Smtp {
        Smtp::new(&format!("smtp://{}", self.address), SENDER, None).unwrap()
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Mail {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("no e-mail arrived")
            .unwrap();
        serde_json::from_str(&line.expect("the SMTP server runs")).unwrap()
    }
}

/// Forwards connections while it is open, and cuts them off while it is closed.
pub(crate) struct Door {
    address: SocketAddr,
    open: Arc<AtomicBool>,
    turned_away: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Door {
    /// A closed one.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(AtomicBool::new(false));
        let turned_away = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let (open, turned_away) = (Arc::clone(&open), Arc::clone(&turned_away));
            async move {
                loop {
                    let (mut inner, _) = listener.accept().await.unwrap();
                    if !open.load(Ordering::SeqCst) {
                        turned_away.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    tokio::spawn(async move {
                        let mut outer = TcpStream::connect(server).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
                    });
                }
            }
        });
        Self {
            address,
            open,
            turned_away,
            task,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    /// Waits until this many connections were cut off.
    pub(crate) async fn turns_away(&self, count: usize) {
        let wait = async {
            while self.turned_away.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("nobody came to the door");
    }

    pub(crate) fn turned_away(&self) -> usize {
        self.turned_away.load(Ordering::SeqCst)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}
