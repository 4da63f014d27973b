//! Connections: frames in, frames out, one request at a time in the order they came.

use crate::api;
use crate::shared::Shared;
use crate::{ApiKey, Error};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that sends nothing for this long is closed (Apache Kafka's default).
const IDLE: Duration = Duration::from_secs(600);
/// Bytes of the length before each frame.
const LENGTH_BYTES: usize = 4;
/// Bytes of read buffer kept between requests.
const READ_BUFFER: usize = 16 * 1024;
/// Bytes of an encoded response that are kept as buffer for the next one.
const WRITE_BUFFER_KEPT: usize = 256 * 1024;

/// Serves one connection until it ends or the broker stops.
pub(crate) async fn serve(shared: Arc<Shared>, mut stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "can't turn off Nagle's algorithm");
    }
    let mut stopping = shared.stopping();
    let ended = tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => return,
        ended = converse(&shared, &mut stream) => ended,
    };
    match ended {
        Ok(()) => {}
        Err(Fault::Io(error)) => tracing::debug!(%error, "connection ended"),
        Err(Fault::Broker(Error::Halted)) => shared.halt(),
        Err(Fault::Broker(error)) => tracing::warn!(%error, "connection closed"),
    }
}

/// Why a connection ends.
enum Fault {
    Io(io::Error),
    Broker(Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Broker(error)
    }
}

async fn converse(shared: &Shared, stream: &mut TcpStream) -> Result<(), Fault> {
    let mut input = BytesMut::with_capacity(READ_BUFFER);
    let mut output = BytesMut::new();
    loop {
        let next = read_frame(stream, &mut input, shared.config.max_request_bytes);
        let Ok(frame) = tokio::time::timeout(IDLE, next).await else { return Ok(()) };
        let Some(frame) = frame? else { return Ok(()) };
        if shared.is_halted() {
            return Ok(());
        }
        output.clear();
        let Some(api) = answer(shared, frame, &mut output).await? else { continue };
        let fault = shared.faults.on_response(api);
        if let Some(delay) = fault.delay {
            tokio::time::sleep(delay).await;
        }
        if fault.drop || shared.is_halted() {
            return Ok(());
        }
        stream.write_all(&output).await?;
        if output.capacity() > WRITE_BUFFER_KEPT {
            output = BytesMut::new();
        }
    }
}

/// The next frame without its length; `None` when the client has closed the connection.
async fn read_frame(stream: &mut TcpStream, input: &mut BytesMut, max: usize) -> Result<Option<Bytes>, Fault> {
    while input.len() < LENGTH_BYTES {
        input.reserve(READ_BUFFER);
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
    let length = input.get_i32();
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= max)
        .ok_or_else(|| Error::Protocol(format!("a frame of {length} bytes; at most {max} are taken")))?;
    // What a client announces is not believed: memory is taken as bytes arrive, doubling.
    while input.len() < length {
        let missing = length - input.len();
        input.reserve(missing.min(input.len().max(READ_BUFFER)));
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(input.split_to(length).freeze()))
}

/// Carries out one request and encodes its response frame; `None` if the client wants no response.
async fn answer(shared: &Shared, mut frame: Bytes, output: &mut BytesMut) -> Result<Option<i16>, Error> {
    let bad = |what: String| Error::Protocol(what);
    if frame.len() < 4 {
        return Err(bad(format!("a frame of {} bytes", frame.len())));
    }
    let (key, version) = (frame.slice(0..2).get_i16(), frame.slice(2..4).get_i16());
    let api = ApiKey::try_from(key).map_err(|()| bad(format!("unknown API key {key}")))?;
    let header = RequestHeader::decode(&mut frame, api.request_header_version(version))
        .map_err(|e| bad(format!("header of {api:?} version {version}: {e}")))?;
    let supported = api::accepts(api, version);
    if !supported && api != ApiKey::ApiVersions {
        return Err(bad(format!("{api:?} version {version} is not supported")));
    }
    // A client that asks for the versions in a newer one is answered in version 0, with an error and the list.
    let version = if supported { version } else { 0 };
    output.put_i32(0);
    ResponseHeader::default()
        .with_correlation_id(header.correlation_id)
        .encode(output, api.response_header_version(version))
        .map_err(|e| bad(e.to_string()))?;
    let request =
        api::Request { api, version, supported, client: header.client_id.as_deref().unwrap_or("client"), body: frame };
    if !api::dispatch(shared, request, output).await? {
        return Ok(None);
    }
    let length = i32::try_from(output.len() - LENGTH_BYTES).map_err(|_| bad("a response over 2 GiB".into()))?;
    output[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(Some(key))
}
