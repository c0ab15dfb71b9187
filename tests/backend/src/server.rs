//! The server thread: an accept loop and its connections, on their own runtime.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::connection::{Connection, Socket};
use crate::service;

/// How long requests may take to finish during a graceful shutdown.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    NotYet,
    Orderly,
    Now,
}

/// The server thread. Dropping it stops the server at once.
#[derive(Debug)]
pub(crate) struct Server {
    stop: watch::Sender<Stop>,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds a socket, so that the address is known before the server starts.
pub(crate) fn bind(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((host, port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Server {
    pub(crate) fn start(listener: TcpListener, app: App, router: Router) -> io::Result<Self> {
        let (stop, stopping) = watch::channel(Stop::NotYet);
        let (end, ended) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let serve = move || {
            run(runtime, listener, &app, &router, stopping);
            drop((app, router));
            // An error means that nobody is waiting for the end.
            let _ = end.send(());
        };
        let thread = std::thread::Builder::new().name("synapse-test-backend".to_owned()).spawn(serve)?;
        Ok(Self { stop, ended: Some(ended), thread: Some(thread) })
    }

    /// Stops accepting, waits for the requests in progress to finish, and stops.
    pub(crate) async fn shut_down(&mut self) {
        self.stop.send_replace(Stop::Orderly);
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(Stop::Now);
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked, which was already printed.
            let _ = thread.join();
        }
    }
}

fn run(
    runtime: Runtime,
    listener: tokio::net::TcpListener,
    app: &App,
    router: &Router,
    stopping: watch::Receiver<Stop>,
) {
    runtime.block_on(accept(listener, app, router, stopping));
    // Doesn't wait for blocking tasks, such as the MD5 of gigabytes.
    runtime.shutdown_background();
}

async fn accept(
    listener: tokio::net::TcpListener,
    app: &App,
    router: &Router,
    mut stopping: watch::Receiver<Stop>,
) {
    let mut connections = JoinSet::new();
    let mut watcher = stopping.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connect(stream, app.clone(), router.clone(), stopping.clone()));
                }
                // Probably out of file descriptors; one may become free soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = watcher.wait_for(|stop| *stop != Stop::NotYet) => break,
        }
    }
    drop(listener);
    let orderly = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = orderly => {}
        _ = stopping.wait_for(|stop| *stop == Stop::Now) => {}
        () = tokio::time::sleep(PATIENCE) => {}
    }
}

async fn connect(
    stream: tokio::net::TcpStream,
    app: App,
    router: Router,
    mut stopping: watch::Receiver<Stop>,
) {
    // Sends small responses at once. If this fails, they are only delayed.
    let _ = stream.set_nodelay(true);
    let connection = Arc::new(Connection::new(app.in_flight.connect()));
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&connection)));
    let serve = service_fn(move |request| {
        service::serve(app.clone(), router.clone(), Arc::clone(&connection), request)
    });
    let mut serving =
        std::pin::pin!(http1::Builder::new().timer(TokioTimer::new()).serve_connection(socket, serve));
    // Errors here are caused by the client or by a fault, so they are ignored.
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stopping.wait_for(|stop| *stop != Stop::NotYet) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}
