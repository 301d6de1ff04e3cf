//! How a connection becomes TLS, or ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::accept::rejection::error_body;

/// The first byte of every TLS connection: a record of the handshake.
const HANDSHAKE_RECORD: u8 = 22;
/// How much of a request in plain HTTP is read, so that its client reads the answer.
const MAX_PLAIN_BYTES: u64 = 64 << 10;

/// Why a connection did not become TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("it was not done in time")]
    Slow,
    #[error("it was plain HTTP, which was answered 400")]
    Plain,
    #[error("{0}")]
    Refused(#[source] rustls::Error),
    /// The client went away: nothing was refused.
    #[error("the client went away: {0}")]
    Away(#[source] io::Error),
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(refused) => Self::Refused(rustls::Error::clone(refused)),
            None => Self::Away(error),
        }
    }
}

/// Makes TLS of connections, each in a limited time.
#[derive(Clone)]
pub(crate) struct Handshake {
    acceptor: TlsAcceptor,
    timeout: Duration,
}

impl Handshake {
    pub(super) fn new(config: Arc<ServerConfig>, timeout: Duration) -> Self {
        Self {
            acceptor: config.into(),
            timeout,
        }
    }

    /// Makes TLS of a connection.
    pub(crate) async fn accept(
        self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let accepted = timeout(self.timeout, self.negotiate(stream)).await;
        accepted.unwrap_or(Err(HandshakeError::Slow))
    }

    async fn negotiate(
        &self,
        mut stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        // What follows the handshake is small, and no client acknowledges it on its own.
        stream.set_nodelay(true)?;
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE_RECORD {
            answer_plain(&mut stream).await?;
            return Err(HandshakeError::Plain);
        }
        Ok(self.acceptor.accept(stream).await?)
    }
}

/// Tells a client of plain HTTP what this port speaks.
async fn answer_plain(stream: &mut TcpStream) -> io::Result<()> {
    let body = error_body(
        "this port speaks TLS, and the request came without",
        "send it to https://",
        None,
    );
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What is not read would end the connection before the client reads the answer.
    let mut rest = stream.take(MAX_PLAIN_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
