//! A web server on loopback that behaves as a test wants it to, well or badly.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mnist_tch::data::fetch::Mirror;

/// What the server was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET /name.gz`, or `CONNECT host:port` where it serves as a proxy.
    pub line: String,
    /// The first byte that is wanted.
    pub range: Option<usize>,
    pub if_range: Option<String>,
}

/// Runs until the test process ends, a thread for each connection.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request by `behave`, which gets the number of the request, from 0 on.
    pub fn start<F>(behave: F) -> Self
    where
        F: Fn(usize, &Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, behave) = (requests.clone(), Arc::new(behave));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, behave) = (log.clone(), behave.clone());
                thread::spawn(move || {
                    let mut stream = stream;
                    let Some(request) = read_request(&stream) else {
                        return;
                    };
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        log.len() - 1
                    };
                    // The client may leave at any time.
                    let _ = behave(number, &request, &mut stream);
                });
            }
        });
        Self { address, requests }
    }

    pub fn mirror(&self) -> Mirror {
        format!("http://{}/set", self.address).parse().unwrap()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let line = lines.next()?.ok()?;
    let mut request = Request {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        range: None,
        if_range: None,
    };
    while let Some(Ok(header)) = lines.next() {
        let Some((name, value)) = header.split_once(": ") else {
            return Some(request);
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let first = value.strip_prefix("bytes=")?.strip_suffix('-')?;
                request.range = first.parse().ok();
            }
            "if-range" => request.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    None
}

/// Status line, headers and the empty line.
pub fn head(stream: &mut TcpStream, status: &str, headers: &str) -> std::io::Result<()> {
    let text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes())
}

/// A whole answer.
pub fn answer(stream: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    head(
        stream,
        status,
        &format!("Content-Length: {}\r\n", body.len()),
    )?;
    stream.write_all(body)
}

/// The tag of the one version of every file.
pub const TAG: &str = "\"v1\"";

/// `bytes` as a good server sends them, from the byte that was asked for; of these only the first `count`, `piece` at
/// a time with pauses.
pub fn serve(
    request: &Request,
    stream: &mut TcpStream,
    bytes: &[u8],
    count: usize,
    piece: (usize, Duration),
) -> std::io::Result<()> {
    let same = request.if_range.as_deref().is_none_or(|tag| tag == TAG);
    let total = bytes.len();
    let from = request.range.filter(|_| same).unwrap_or(0);
    if from > 0 && from >= total {
        return answer(stream, "416 Range Not Satisfiable", b"");
    }
    let headers = format!("ETag: {TAG}\r\nContent-Length: {}\r\n", total - from);
    if from == 0 {
        head(stream, "200 OK", &headers)?;
    } else {
        let range = format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
        head(stream, "206 Partial Content", &(headers + &range))?;
    }
    let (size, pause) = piece;
    for piece in bytes[from..total.min(from.saturating_add(count))].chunks(size) {
        stream.write_all(piece)?;
        stream.flush()?;
        thread::sleep(pause);
    }
    Ok(())
}
