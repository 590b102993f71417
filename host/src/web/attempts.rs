//! How often a token may be guessed at the login: so often from one address, and so often in all.
//!
//! Only wrong tokens count, and only they are refused: behind a proxy everybody has one address, and whoever has a right
//! token must not wait for others. What keeps tokens from being guessed is their length; this keeps guessing from being
//! free. Sessions and the API do not come through here.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Wrong tokens of one address at once, and how long until one more is allowed.
const OF_ONE: Pace = Pace { most: 5, every: Duration::from_secs(30) };
/// The same of all addresses together.
const OF_ALL: Pace = Pace { most: 60, every: Duration::from_secs(1) };

/// So many at once, and one more after each `every`.
#[derive(Clone, Copy)]
struct Pace {
    most: u32,
    every: Duration,
}

/// What was used of a pace, as the moment when nothing of it is used any more.
#[derive(Clone, Copy)]
struct Used(Instant);

/// The attempts that count.
#[derive(Default)]
pub(super) struct Attempts {
    all: Option<Used>,
    by_address: HashMap<IpAddr, Used>,
}

impl Pace {
    /// Uses one; or how long to wait for the next.
    fn take(self, used: Option<Used>, now: Instant) -> Result<Used, Duration> {
        let free_at = used.map_or(now, |used| used.0.max(now)) + self.every;
        let over = free_at.duration_since(now).saturating_sub(self.every * self.most);
        if over.is_zero() { Ok(Used(free_at)) } else { Err(over) }
    }
}

impl Attempts {
    /// Counts a wrong token.
    ///
    /// # Errors
    ///
    /// There were too many, with how long to wait.
    pub(super) fn wrong(&mut self, from: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let address = network(from);
        self.by_address.retain(|_, used| used.0 > now);
        let one = OF_ONE.take(self.by_address.get(&address).copied(), now)?;
        self.all = Some(OF_ALL.take(self.all, now)?);
        self.by_address.insert(address, one);
        Ok(())
    }
}

/// What one client has: an IPv4 address, or a network of IPv6 addresses.
fn network(address: Option<IpAddr>) -> IpAddr {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        Some(address) => address,
        None => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_has_five_guesses_and_then_one_now_and_then() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        let one = address("192.0.2.1");
        for _ in 0..5 {
            attempts.wrong(one, start).unwrap();
        }
        assert_eq!(attempts.wrong(one, start), Err(OF_ONE.every));
        assert_eq!(attempts.wrong(address("::ffff:192.0.2.1"), start), Err(OF_ONE.every));
        attempts.wrong(address("192.0.2.2"), start).unwrap();
        let later = start + OF_ONE.every;
        attempts.wrong(one, later).unwrap();
        assert!(attempts.wrong(one, later).is_err());
    }

    #[test]
    fn a_network_of_addresses_is_one_client() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let allowed =
            (0..50).filter(|host| attempts.wrong(address(&format!("2001:db8::{host:x}")), now).is_ok());
        assert_eq!(allowed.count(), 5);
        attempts.wrong(address("2001:db8:0:1::1"), now).unwrap();
    }

    #[test]
    fn all_addresses_together_have_a_limit_and_are_forgotten() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let allowed = (0..10_000_u32)
            .filter(|host| attempts.wrong(Some(IpAddr::from(host.to_be_bytes())), now).is_ok());
        assert_eq!(allowed.count(), 60);
        assert_eq!(attempts.by_address.len(), 60);
        attempts.wrong(address("192.0.2.1"), now + Duration::from_secs(3600)).unwrap();
        assert_eq!(attempts.by_address.len(), 1);
    }
}
