//! An address where nobody listens: it is taken, so that nobody else can come to listen there meanwhile.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// Holds a port of loopback on which every connection is refused. It is free again when this is dropped.
pub struct Nobody {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Nobody {
    /// Takes a port.
    ///
    /// # Panics
    /// If none is free.
    pub fn start() -> Self {
        let held = || -> io::Result<_> {
            let socket = TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            Ok((socket.local_addr()?, socket))
        };
        let (address, held) = held().expect("loopback has a free port");
        Self { address, _held: held }
    }

    /// Where nobody listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn whoever_comes_is_refused_and_nobody_can_move_in() {
        let nobody = Nobody::start();
        let refused = TcpStream::connect(nobody.address()).expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let taken = TcpListener::bind(nobody.address()).expect_err("it is taken");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
