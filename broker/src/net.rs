//! Connections: frames in, frames out, one request at a time in the order they came.

use crate::api;
use crate::faults::ResponseFault;
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
/// Bytes of encoded responses that are sent without looking for more, and kept as buffer for the next ones.
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
        // Requests that came together are answered together: each answer by itself would wake the client for it.
        if !has_frame(&input) || output.len() >= WRITE_BUFFER_KEPT {
            write_out(stream, &mut output).await?;
        }
        let next = read_frame(stream, &mut input, shared.config.max_request_bytes);
        let Ok(frame) = tokio::time::timeout(IDLE, next).await else { return Ok(()) };
        let Some(frame) = frame? else { return Ok(()) };
        if shared.is_halted() {
            return Ok(());
        }
        if api::may_wait(&frame) {
            write_out(stream, &mut output).await?;
        }
        let before = output.len();
        let api = match answer(shared, frame, &mut output).await {
            Ok(Some(api)) => api,
            Ok(None) => {
                output.truncate(before);
                continue;
            }
            Err(fault) => {
                output.truncate(before);
                write_out(stream, &mut output).await?;
                return Err(fault.into());
            }
        };
        let fault = shared.faults.on_response(api);
        if fault != ResponseFault::default() {
            // Those before it are not held back with it.
            let late = output.split_off(before);
            write_out(stream, &mut output).await?;
            tokio::time::sleep(fault.delay.unwrap_or_default()).await;
            output = late;
        }
        if fault.drop || shared.is_halted() {
            return Ok(());
        }
    }
}

/// Sends the answers that have gathered.
async fn write_out(stream: &mut TcpStream, output: &mut BytesMut) -> Result<(), Fault> {
    if !output.is_empty() {
        stream.write_all(output).await?;
        output.clear();
        if output.capacity() > WRITE_BUFFER_KEPT {
            *output = BytesMut::new();
        }
    }
    Ok(())
}

/// Whether a whole frame has been read that is not yet answered.
fn has_frame(input: &[u8]) -> bool {
    let length = input.first_chunk().map(|length| i32::from_be_bytes(*length));
    length.and_then(|length| usize::try_from(length).ok()).is_some_and(|length| input.len() - LENGTH_BYTES >= length)
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
    let start = output.len();
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
    let body = start + LENGTH_BYTES;
    let length = i32::try_from(output.len() - body).map_err(|_| bad("a response over 2 GiB".into()))?;
    output[start..body].copy_from_slice(&length.to_be_bytes());
    Ok(Some(key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use crate::{ApiKey, Broker, Config, clock};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(2);

    /// A request frame with this number, of a client without a name.
    fn frame(api: ApiKey, version: i16, number: i32, body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend((api as i16).to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(number.to_be_bytes());
        frame.extend((-1i16).to_be_bytes());
        frame.extend(body);
        [&u32::try_from(frame.len()).unwrap().to_be_bytes()[..], &frame].concat()
    }

    fn versions(number: i32) -> Vec<u8> {
        frame(ApiKey::ApiVersions, 0, number, &[])
    }

    /// Waits for bytes of no partition, which never come.
    fn fetch(number: i32) -> Vec<u8> {
        let wait = i32::try_from(WAIT.as_millis()).unwrap();
        let numbers: Vec<u8> = [-1, wait, 1, 1024].into_iter().flat_map(i32::to_be_bytes).collect();
        frame(ApiKey::Fetch, 4, number, &[&numbers[..], &[0], &0i32.to_be_bytes()].concat())
    }

    /// The numbers of the answers that come, and after how long; until the broker closes the connection or `count` have.
    fn answers(stream: &mut TcpStream, count: usize) -> Vec<(i32, Duration)> {
        let (began, mut all) = (clock::now(), Vec::new());
        let mut length = [0; 4];
        while all.len() < count && stream.read_exact(&mut length).is_ok() {
            let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
            stream.read_exact(&mut answer).unwrap();
            all.push((i32::from_be_bytes(*answer.first_chunk().unwrap()), began.elapsed()));
        }
        all
    }

    /// Sends all requests in one piece.
    fn send(broker: &Broker, requests: &[Vec<u8>]) -> TcpStream {
        let mut stream = TcpStream::connect(broker.bootstrap()).unwrap();
        stream.write_all(&requests.concat()).unwrap();
        stream
    }

    fn numbers(answers: &[(i32, Duration)]) -> Vec<i32> {
        answers.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn requests_that_come_together_are_answered_in_order_and_none_waits_for_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let broker = Broker::start(Config { port: 0, ..Config::new(directory.path()) }).unwrap();

        let in_order = answers(&mut send(&broker, &[versions(1), versions(2), versions(3)]), 3);
        assert_eq!(numbers(&in_order), [1, 2, 3]);

        let mut stream = send(&broker, &[versions(4), versions(5), fetch(6), versions(7)]);
        let around_a_wait = answers(&mut stream, 4);
        assert_eq!(numbers(&around_a_wait), [4, 5, 6, 7]);
        assert!(around_a_wait[1].1 < WAIT, "those before it wait with the fetch: {around_a_wait:?}");
        assert!(around_a_wait[2].1 >= WAIT / 2, "the fetch does not wait: the test shows nothing");

        let unknown = frame(ApiKey::Fetch, 99, 9, &[]);
        assert_eq!(numbers(&answers(&mut send(&broker, &[versions(8), unknown, versions(10)]), 3)), [8]);

        broker.faults().drop_responses(ApiKey::Fetch, 1);
        assert_eq!(numbers(&answers(&mut send(&broker, &[versions(11), fetch(12)]), 2)), [11]);

        // The rest of a request may come at any time.
        let mut stream = send(&broker, &[versions(13), versions(14)[..7].to_vec()]);
        assert_eq!(numbers(&answers(&mut stream, 1)), [13]);
        stream.write_all(&versions(14)[7..]).unwrap();
        assert_eq!(numbers(&answers(&mut stream, 1)), [14]);
    }
}
