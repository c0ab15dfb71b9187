//! A connection that can be closed, in the normal way or by a reset.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Ends a connection immediately. As the error of a service or a body, it stops hyper from writing more.
#[derive(Debug)]
pub(crate) struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

/// What requests know about their connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    reset: AtomicBool,
    flushes: watch::Sender<u64>,
}

impl Connection {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, reset: AtomicBool::new(false), flushes: watch::Sender::new(0) }
    }

    /// Returns the error that ends the connection.
    pub(crate) fn hang_up(&self, reset: bool) -> HungUp {
        if reset {
            self.reset.store(true, SeqCst);
        }
        HungUp
    }

    /// Waits until everything written so far was passed to the operating system.
    pub(crate) async fn flushed(&self) {
        // Can't fail: the sender lives as long as `self`.
        let _ = self.flushes.subscribe().changed().await;
    }
}

pub(crate) struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.reset.load(SeqCst) {
            // If this fails, the connection is closed in the normal way.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        if self.connection.flushes.receiver_count() > 0 {
            self.connection.flushes.send_modify(|flushes| *flushes += 1);
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A reset must not follow a normal shutdown: the client would see the normal end.
        if self.connection.reset.load(SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
