//! TLS servers with certificates from their own authority. They record the requests.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::soon::soon;
use super::tcp_server::{accept, listener};

pub const HTTP_1: &[&str] = &["http/1.1"];
pub const HTTP_2: &[&str] = &["h2", "http/1.1"];

/// An authority that signs certificates.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in DER.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// Returns a certificate for a name or an address.
    pub fn issue(&self, name: &str) -> Identity {
        self.issue_for_years(name, 2000, 4000)
    }

    pub fn issue_for_years(&self, name: &str, from: i32, to: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.der().clone(), key: key.serialize_der() }
    }
}

/// A request as received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, path and query: `GET /models/1/`.
    pub line: String,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The number of its connection, from 0.
    pub connection: usize,
}

impl Seen {
    /// Returns a header, which must not occur twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} occurs twice");
        value
    }
}

pub type FullResponse = Response<Full<Bytes>>;
type Responding = dyn Fn(Seen) -> Pin<Box<dyn Future<Output = FullResponse> + Send>> + Send + Sync;

pub fn json(status: u16, body: impl Into<Bytes>) -> FullResponse {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(body.into())).unwrap()
}

/// Returns the request's body or, if it has none, its line as JSON.
pub async fn echo(seen: Seen) -> FullResponse {
    match seen.body.is_empty() {
        true => json(200, format!(r#"{{"line": "{}"}}"#, seen.line)),
        false => json(200, seen.body),
    }
}

/// How a server handles connections.
#[derive(Clone, Copy)]
pub struct Manner {
    /// The protocols that it offers, in order of preference. If empty, it doesn't support the negotiation.
    pub protocols: &'static [&'static str],
    /// The largest number of concurrent streams on a connection.
    pub streams: u32,
    /// The number of first connections that break during the handshake.
    pub broken: usize,
}

impl Manner {
    pub fn of(protocols: &'static [&'static str]) -> Self {
        Manner { protocols, streams: 200, broken: 0 }
    }
}

#[derive(Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    /// The reasons of failed handshakes.
    refused: Mutex<Vec<String>>,
    shaken: watch::Sender<usize>,
    accepted: watch::Sender<usize>,
    /// The number of connections that have ended, on the client's side too.
    ended: watch::Sender<usize>,
    goodbyes: watch::Sender<usize>,
}

/// Dropping it stops the server.
pub struct TlsServer {
    pub address: SocketAddr,
    log: Arc<Log>,
    _tasks: JoinSet<()>,
}

impl TlsServer {
    /// Starts a server that responds with [`echo`].
    pub async fn echoing(identity: Identity, manner: Manner) -> Self {
        TlsServer::responding(identity, manner, echo).await
    }

    pub async fn responding<F>(
        identity: Identity,
        manner: Manner,
        response: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = FullResponse> + Send + 'static,
    {
        let response: Arc<Responding> = Arc::new(move |seen| Box::pin(response(seen)));
        TlsServer::start(identity, manner, move |stream, number, log| {
            serve(stream, number, manner, response.clone(), log)
        })
        .await
    }

    /// Starts an HTTP/2 server that responds with `{}`. It applies the treatment to the second request of its
    /// first connection. It records the requests that it processed, without their headers.
    pub async fn treating_second(identity: Identity, treatment: Treatment) -> Self {
        let manner = Manner::of(&["h2"]);
        TlsServer::start(identity, manner, move |stream, number, log| {
            serve_frames(stream, number, treatment, log)
        })
        .await
    }

    async fn start<F>(
        identity: Identity,
        manner: Manner,
        serve: impl Fn(TlsStream<TcpStream>, usize, Arc<Log>) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (listener, address) = listener().await;
        let acceptor = TlsAcceptor::from(Arc::new(configuration(identity, manner.protocols)));
        let log = Arc::<Log>::default();
        let recorded = log.clone();
        let tasks = accept(listener, move |mut stream, number| {
            log.accepted.send_replace(number + 1);
            let (log, acceptor, serve) = (log.clone(), acceptor.clone(), serve.clone());
            async move {
                if number < manner.broken {
                    read_hello(&mut stream).await;
                } else {
                    match acceptor.accept(stream).into_fallible().await {
                        Ok(stream) => {
                            log.shaken.send_modify(|count| *count += 1);
                            serve(stream, number, log.clone()).await;
                        }
                        Err((error, mut stream)) => {
                            log.refused.lock().unwrap().push(error.to_string());
                            let _ = stream.shutdown().await;
                            drain(&mut stream).await;
                        }
                    }
                }
                log.ended.send_modify(|count| *count += 1);
            }
        });
        TlsServer { address, log: recorded, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Returns the number of connections.
    pub fn connections(&self) -> usize {
        *self.log.accepted.borrow()
    }

    /// Returns the number of completed handshakes.
    pub fn handshakes(&self) -> usize {
        *self.log.shaken.borrow()
    }

    /// Waits until every connection has ended, and returns the reasons of failed handshakes.
    pub async fn refused(&self) -> Vec<String> {
        self.all_ended().await;
        self.log.refused.lock().unwrap().clone()
    }

    /// Ends all connections, like a server that restarts, and waits until the client has noticed.
    pub async fn say_goodbye(&self) {
        self.log.goodbyes.send_modify(|count| *count += 1);
        self.all_ended().await;
    }

    async fn all_ended(&self) {
        let all = self.connections();
        soon(self.log.ended.subscribe().wait_for(|ended| *ended >= all)).await.unwrap();
    }
}

fn configuration(identity: Identity, protocols: &[&str]) -> ServerConfig {
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], PrivateKeyDer::Pkcs8(identity.key.into()))
        .unwrap();
    configuration.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    configuration
}

/// Serves a connection with the negotiated protocol, until it is closed or the server says goodbye.
async fn serve(
    stream: TlsStream<TcpStream>,
    connection: usize,
    manner: Manner,
    response: Arc<Responding>,
    log: Arc<Log>,
) {
    let mut goodbye = log.goodbyes.subscribe();
    let by_http_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<Incoming>| {
        let (response, log) = (response.clone(), log.clone());
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let target = head.uri.path_and_query().map_or("*", |target| target.as_str());
            // A request with an incomplete body is not recorded.
            let body = body.collect().await?.to_bytes();
            let line = format!("{} {target}", head.method);
            let seen = Seen { line, version: head.version, headers: head.headers, body, connection };
            log.seen.lock().unwrap().push(seen.clone());
            Ok::<_, hyper::Error>(response(seen).await)
        })
    });
    if by_http_2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let serving =
            builder.max_concurrent_streams(manner.streams).serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = &mut serving => return,
            _ = goodbye.changed() => serving.as_mut().graceful_shutdown(),
        }
        // Ends when the client has confirmed the GOAWAY.
        let _ = serving.await;
        return;
    }
    let mut serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = std::future::poll_fn(|context| serving.poll_without_shutdown(context)) => {}
        _ = goodbye.changed() => {}
    }
    let mut stream = serving.into_parts().io.into_inner();
    let _ = stream.shutdown().await;
    drain(&mut stream).await;
}

/// Reads until the client closes the connection.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

// ---- HTTP/2, frame by frame, for behaviour that a complete implementation doesn't offer

/// What happens to a request that gets no response.
#[derive(Debug, Clone, Copy)]
pub enum Treatment {
    /// The connection ends, and the GOAWAY excludes this stream from the processed ones.
    RefuseAndGoAway,
    /// Only the stream is reset, as not processed.
    RefuseStream,
    /// The request is processed, and the connection ends with it.
    ActAndGoAway,
    /// The request is processed, and its stream is reset with an error.
    ActAndReset,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

async fn serve_frames(
    mut stream: TlsStream<TcpStream>,
    connection: usize,
    treatment: Treatment,
    log: Arc<Log>,
) {
    // Fails when the client closes the connection.
    let _ = serve_streams(&mut stream, connection, treatment, &log).await;
}

async fn serve_streams(
    stream: &mut TlsStream<TcpStream>,
    connection: usize,
    treatment: Treatment,
    log: &Log,
) -> std::io::Result<()> {
    const PREFACE: usize = 24;
    stream.read_exact(&mut [0; PREFACE]).await?;
    write_frame(stream, SETTINGS, 0, 0, &[]).await?;
    let (mut number, mut last) = (0, 0);
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let id = u32::from_be_bytes(id);
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        let act = || {
            let (line, headers) = (format!("stream {id}"), HeaderMap::new());
            let seen = Seen { line, version: Version::HTTP_2, headers, body: Bytes::new(), connection };
            log.seen.lock().unwrap().push(seen);
        };
        let go_away = |last: u32| [last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
        match kind {
            SETTINGS if flags & ACK == 0 => write_frame(stream, SETTINGS, ACK, 0, &[]).await?,
            PING if flags & ACK == 0 => write_frame(stream, PING, ACK, 0, &payload).await?,
            HEADERS | DATA if flags & END_STREAM != 0 => match treatment {
                _ if (connection, number) != (0, 1) => {
                    (number, last) = (number + 1, id);
                    act();
                    // `:status: 200` from the static table.
                    write_frame(stream, HEADERS, END_HEADERS, id, &[0x88]).await?;
                    write_frame(stream, DATA, END_STREAM, id, b"{}").await?;
                }
                Treatment::RefuseAndGoAway => write_frame(stream, GOAWAY, 0, 0, &go_away(last)).await?,
                Treatment::RefuseStream => {
                    number += 1;
                    write_frame(stream, RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()).await?;
                }
                Treatment::ActAndGoAway => {
                    act();
                    write_frame(stream, GOAWAY, 0, 0, &go_away(id)).await?;
                    return stream.shutdown().await;
                }
                Treatment::ActAndReset => {
                    number += 1;
                    act();
                    write_frame(stream, RST_STREAM, 0, id, &INTERNAL_ERROR.to_be_bytes()).await?;
                }
            },
            _ => {}
        }
    }
}

async fn write_frame(
    stream: &mut TlsStream<TcpStream>,
    kind: u8,
    flags: u8,
    id: u32,
    payload: &[u8],
) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &id.to_be_bytes()].concat();
    stream.write_all(&[&head, payload].concat()).await?;
    stream.flush().await
}

// ---- servers without TLS

/// How a connection ends after the client's first TLS message.
#[derive(Debug, Clone, Copy)]
pub enum Ending {
    Close,
    Reset,
}

/// Reads the client's first TLS message, sends bytes and ends the connection.
pub struct NoTls {
    pub address: SocketAddr,
    accepted: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl NoTls {
    pub async fn start(response: impl Into<Vec<u8>>, ending: Ending) -> Self {
        let response = response.into();
        let (listener, address) = listener().await;
        let (count, accepted) = watch::channel(0);
        let tasks = accept(listener, move |mut stream, number| {
            count.send_replace(number + 1);
            let response = response.clone();
            async move {
                read_hello(&mut stream).await;
                let _ = stream.write_all(&response).await;
                if let Ending::Reset = ending {
                    stream.set_zero_linger().unwrap();
                }
            }
        });
        NoTls { address, accepted, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn connections(&self) -> usize {
        *self.accepted.borrow()
    }
}

/// Reads the whole first record, because closing a connection with unread bytes resets it.
async fn read_hello(stream: &mut TcpStream) {
    let mut head = [0; 5];
    if stream.read_exact(&mut head).await.is_ok() {
        let length = u16::from_be_bytes([head[3], head[4]]);
        let _ = stream.read_exact(&mut vec![0; length.into()]).await;
    }
}
