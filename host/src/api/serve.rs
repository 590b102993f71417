//! Connections: so many at once, each with its time for a request's head and for taking an answer.

mod room;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Peer;
use room::{Place, Room, Side, Until};

/// Further ones take the place of one of these.
pub(super) const MOST_CONNECTIONS: usize = 512;
/// How long a client may take to send a head, or to begin another request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long requests under way have when the daemon stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait when there are no more descriptors.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let room = Room::new(MOST_CONNECTIONS);
    let mut connections = JoinSet::new();
    while let Some((stream, peer, place)) = stop.run_until_cancelled(accept(&listener, &room)).await {
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            tokio::select! {
                () = converse(stream, peer, router, &place, stop) => {}
                () = place.lost() => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let ending = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, ending).await.is_err() {
        tracing::warn!("{} connections of the API were cut off", connections.len());
    }
}

async fn accept(listener: &TcpListener, room: &Arc<Room>) -> (TcpStream, SocketAddr, Arc<Place>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, room.place().await),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!("the API takes no connections for a moment: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    place: &Arc<Place>,
    stop: CancellationToken,
) {
    // Small answers and events go out at once; where that is not possible, a little later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(|body| Body::new(Until::new(body, place, Side::Ours)));
        request.extensions_mut().insert(Peer(peer));
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await?.map(|body| Until::new(body, place, Side::Theirs))) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = std::pin::pin!(connection);
    // How a connection ends is the client's affair.
    if stop.run_until_cancelled(connection.as_mut()).await.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
