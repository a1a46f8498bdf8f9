//! How many connections there are, in total and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

/// Places for connections.
#[derive(Debug)]
pub(super) struct Places {
    total_max: usize,
    per_peer_max: Option<NonZeroU32>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Only when they are limited.
    by_peer: HashMap<IpAddr, u32>,
}

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    Peer,
}

impl Places {
    pub(super) fn new(total_max: usize, per_peer_max: Option<NonZeroU32>) -> Arc<Self> {
        Arc::new(Self {
            total_max,
            per_peer_max,
            taken: Mutex::default(),
        })
    }

    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let peer = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= self.total_max {
            return Err(Full::Total);
        }
        if let Some(max) = self.per_peer_max {
            let of_peer = taken.by_peer.entry(peer).or_default();
            if *of_peer >= max.get() {
                return Err(Full::Peer);
            }
            *of_peer += 1;
        }
        taken.total += 1;
        Ok(Place {
            places: Arc::clone(self),
            peer,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(of_peer) = taken.by_peer.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

/// What one stranger has for the asking: a single IPv4 address, but a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Places::new(2, NonZeroU32::new(1));
        let address = |text: &str| text.parse().unwrap();
        let first = places.take(address("192.0.2.1")).unwrap();
        // The same address in its other form, as a socket for both families tells it.
        assert_eq!(places.take(address("::ffff:192.0.2.1")).unwrap_err(), Full::Peer);
        let second = places.take(address("2001:db8:0:1::1")).unwrap();
        assert_eq!(places.take(address("192.0.2.2")).unwrap_err(), Full::Total);
        drop(first);
        assert_eq!(places.take(address("2001:db8:0:1::2")).unwrap_err(), Full::Peer);
        places.take(address("2001:db8:0:2::1")).unwrap();
        drop(second);
        assert_eq!(places.taken.lock().unwrap().total, 0);
        assert!(places.taken.lock().unwrap().by_peer.is_empty());
    }
}
