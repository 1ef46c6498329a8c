//! Asks a mirror for a file: HTTP through ureq, with limits on every wait, and answers in plain words.

use std::io::{ErrorKind, Read};
use std::net::IpAddr;

use anyhow::anyhow;
use ureq::http::header::{self, HeaderMap};
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body, BodyReader, Timeout};

use super::Patience;
use super::partial::Start;
use super::problem::Problem;

const REDIRECTS: u32 = 5;

/// An HTTP client. Proxies are those of the environment: `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`; this
/// very machine is never asked through one.
pub struct Client {
    agent: Agent,
    patience: Patience,
}

/// What a mirror says to a request for a file from some byte on.
pub enum Reply {
    /// The bytes, from there on or from the beginning.
    Bytes(Incoming),
    /// The bytes from there on cannot be had; perhaps because there are none.
    NoRest,
}

/// A file that is coming in.
pub struct Incoming {
    /// The place of the first byte in the file: 0, or where the request said.
    pub start: u64,
    /// Bytes of the whole file, where the mirror says it.
    pub total: Option<u64>,
    /// What identifies this version of the file for `If-Range`.
    pub validator: Option<String>,
    /// The bytes as served, never decompressed on the way.
    body: BodyReader<'static>,
}

impl Client {
    /// A client that waits as long as `patience` says and no longer.
    pub fn new(patience: Patience) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(REDIRECTS)
            .user_agent(concat!("mnist-tch/", env!("CARGO_PKG_VERSION")))
            // The digests are those of the files as they are.
            .accept_encoding("identity")
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            .timeout_per_write(Some(patience.stall))
            .build();
        Self {
            agent: config.into(),
            patience,
        }
    }

    /// Requests `url`, whole or from `start` on.
    pub fn get(&self, url: &str, start: Option<&Start>) -> Result<Reply, Problem> {
        let mut request = self.agent.get(url);
        if is_loopback(url) {
            request = request.config().proxy(None).build();
        }
        if let Some(start) = start {
            request = request.header(header::RANGE, format!("bytes={}-", start.byte));
            if let Some(validator) = &start.validator {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        let response = request
            .call()
            .map_err(|error| Problem::Mirror(self.in_words(error)))?;
        match (response.status(), start) {
            (StatusCode::OK, _) => Ok(Reply::Bytes(whole(response))),
            (StatusCode::PARTIAL_CONTENT, Some(start)) => {
                Ok(part(response, start.byte).map_or(Reply::NoRest, Reply::Bytes))
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => Ok(Reply::NoRest),
            (status, _) => Err(Problem::Mirror(anyhow!("HTTP {status}"))),
        }
    }

    /// Reads on; an error means that the connection broke off.
    pub fn read(&self, incoming: &mut Incoming, buffer: &mut [u8]) -> Result<usize, Problem> {
        let read = incoming.body.read(buffer);
        read.map_err(|error| Problem::Cut(self.in_words(error.into())))
    }

    fn in_words(&self, error: ureq::Error) -> anyhow::Error {
        let Patience { connect, stall, .. } = self.patience;
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                anyhow!("no connection within {} s", connect.as_secs_f64())
            }
            ureq::Error::Timeout(_) => anyhow!("no answer for {} s", stall.as_secs_f64()),
            ureq::Error::TooManyRedirects => anyhow!("more than {REDIRECTS} redirects"),
            ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                anyhow!("the connection was closed before the end")
            }
            ureq::Error::Io(error) => error.into(),
            other => other.into(),
        }
    }
}

/// Whether the address is on this machine.
fn is_loopback(url: &str) -> bool {
    let uri: Uri = url.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn whole(response: Response<Body>) -> Incoming {
    let headers = response.headers();
    Incoming {
        start: 0,
        total: text(headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        validator: validator(headers),
        body: response.into_body().into_reader(),
    }
}

/// `None` where it is another part than the one asked for.
fn part(response: Response<Body>, asked: u64) -> Option<Incoming> {
    let range = text(response.headers(), header::CONTENT_RANGE)?;
    let (start, total) = content_range(range).filter(|&(start, _)| start == asked)?;
    Some(Incoming {
        start,
        total,
        ..whole(response)
    })
}

/// First byte and total of `bytes 100-199/200` or `bytes 100-199/*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// A strong entity tag, else the date of the last change: weak tags may not stand in `If-Range`.
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, header::ETAG).filter(|tag| tag.starts_with('"'));
    tag.or_else(|| text(headers, header::LAST_MODIFIED))
        .map(str::to_owned)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_refused() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for text in ["", "bytes", "bytes 5", "bytes */10", "bytes x-9/10"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    #[test]
    fn this_machine_is_recognised() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(is_loopback(&format!("http://{host}:80/mnist")), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "10.0.0.1", "[::2]"] {
            assert!(!is_loopback(&format!("http://{host}/mnist")), "{host}");
        }
    }

    #[test]
    fn weak_tags_do_not_count() {
        let mut headers = HeaderMap::new();
        assert_eq!(validator(&headers), None);
        headers.insert(header::LAST_MODIFIED, "yesterday".parse().unwrap());
        headers.insert(header::ETAG, "W/\"1\"".parse().unwrap());
        assert_eq!(validator(&headers).unwrap(), "yesterday");
        headers.insert(header::ETAG, "\"1\"".parse().unwrap());
        assert_eq!(validator(&headers).unwrap(), "\"1\"");
    }
}
