//! Which process is at the other end of a connection: tells two services apart that send the same requests.

use std::{collections::HashMap, fs};

/// The ports of `pids`' connections to the local port `receiver`, each with the position of its process in `pids`.
///
/// What cannot be read is left out: processes end and connections close while we look.
pub(crate) fn senders(pids: &[u32], receiver: u16) -> HashMap<u16, usize> {
    let connections = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().skip(1).filter_map(parse).collect::<Vec<_>>());
    let ports_by_inode: HashMap<u64, u16> = connections
        .filter(|connection| connection.remote == receiver)
        .map(|connection| (connection.inode, connection.local))
        .collect();
    let mut senders = HashMap::new();
    for (position, &pid) in pids.iter().enumerate() {
        for inode in sockets(pid) {
            if let Some(&port) = ports_by_inode.get(&inode) {
                senders.insert(port, position);
            }
        }
    }
    senders
}

#[derive(Debug, PartialEq, Eq)]
struct Connection {
    local: u16,
    remote: u16,
    inode: u64,
}

/// A line of `/proc/net/tcp`: number, local address, remote address, state, queues, timer, retransmits, uid, timeout,
/// inode, and more.
fn parse(line: &str) -> Option<Connection> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let port = |field: usize| {
        let (_, port) = fields.get(field)?.rsplit_once(':')?;
        u16::from_str_radix(port, 16).ok()
    };
    Some(Connection {
        local: port(1)?,
        remote: port(2)?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// The inodes of a process's open sockets.
fn sockets(pid: u32) -> Vec<u64> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    descriptors
        .filter_map(|descriptor| {
            let target = fs::read_link(descriptor.ok()?.path()).ok()?;
            target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        process,
    };

    use super::*;

    #[test]
    fn our_own_connection_is_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let senders = senders(&[1, process::id()], address.port());
        assert_eq!(senders.get(&stream.local_addr().unwrap().port()), Some(&1));
    }
}
