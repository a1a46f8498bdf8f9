//! How fast the machine is right now: requests that two threads exchange over loopback and do nothing else with.
//!
//! Machines that others share are a third slower at one hour than at another, and figures of different hours can be compared
//! only with this beside them. It is also what no delivery service on the machine can reach.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinSet, LocalSet, spawn_local},
    time::Instant,
};

const CONNECTIONS: usize = 64;
const DURATION: Duration = Duration::from_secs(1);
/// As long as a delivery of 1 KiB with its headers.
const REQUEST: [u8; 1_500] = [b'x'; 1_500];
const ANSWER: [u8; 64] = [b'y'; 64];

/// Exchanges per second. Takes a second, for which it blocks its thread.
pub(crate) fn per_second() -> Result<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let receiver = thread::spawn(move || on_this_thread(receive(listener)));
    let sender = thread::spawn(move || on_this_thread(send(address)));
    let exchanges = sender.join().ok().context("the sending thread panicked")?;
    receiver.join().ok().context("the receiving thread panicked")??;
    exchanges
}

fn on_this_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, work)
}

/// Answers on all connections until they are closed.
async fn receive(listener: std::net::TcpListener) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut answering = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        answering.spawn_local(async move {
            let mut request = REQUEST;
            while stream.read_exact(&mut request).await.is_ok() && stream.write_all(&ANSWER).await.is_ok() {}
        });
    }
    answering.join_all().await;
    Ok(())
}

async fn send(address: SocketAddr) -> Result<f64> {
    let started = Instant::now();
    let mut exchanging = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        exchanging.push(spawn_local(async move {
            let mut exchanges = 0_u32;
            let mut answer = ANSWER;
            while started.elapsed() < DURATION {
                stream.write_all(&REQUEST).await?;
                stream.read_exact(&mut answer).await?;
                exchanges += 1;
            }
            Ok::<u32, std::io::Error>(exchanges)
        }));
    }
    let mut exchanges = 0_u32;
    for task in exchanging {
        exchanges += task.await??;
    }
    Ok(f64::from(exchanges) / started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_exchange_something() {
        assert!(per_second().unwrap() > 1.0);
    }
}
