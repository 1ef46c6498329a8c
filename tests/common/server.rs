//! A web server on loopback that behaves as a test wants it to, well or badly.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Runs until the test process ends, a thread for each connection.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request by `behave`, which gets the path of the file.
    pub fn start<F>(behave: F) -> Self
    where
        F: Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, behave) = (requests.clone(), Arc::new(behave));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (log, behave) = (log.clone(), behave.clone());
                thread::spawn(move || {
                    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                    let first = lines.next().unwrap_or_default();
                    // The headers end with an empty line.
                    if lines.any(|line| line.is_empty()) {
                        let line = first.trim_end_matches(" HTTP/1.1").to_owned();
                        log.lock().unwrap().push(line.clone());
                        let path = line.trim_start_matches("GET ");
                        // The client may leave at any time.
                        let _ = behave(path, &mut stream);
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// A server that answers every request with this.
    pub fn saying(status: &'static str, body: &[u8]) -> Self {
        let body = body.to_vec();
        Self::start(move |_, stream| answer(stream, status, &body))
    }

    /// The address of a folder there.
    pub fn mirror(&self) -> String {
        format!("http://{}/set", self.address)
    }

    /// What was asked, such as `GET /set/name.gz`, or `CONNECT host:port` of a proxy.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Status line, headers and the empty line.
pub fn head(stream: &mut TcpStream, status: &str, headers: &str) -> io::Result<()> {
    let text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes())
}

/// A whole answer.
pub fn answer(stream: &mut TcpStream, status: &str, body: &[u8]) -> io::Result<()> {
    let length = format!("Content-Length: {}\r\n", body.len());
    head(stream, status, &length)?;
    stream.write_all(body)
}
