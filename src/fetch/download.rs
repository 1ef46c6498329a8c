//! Downloads published files from mirrors into a folder. A file under its final name has always
//! been verified. It prints nothing: events are reported through a closure.
//!
//! Files are small enough to be downloaded and checked in memory before they are written. One
//! process at a time downloads into a folder.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use super::files::PublishedFile;
use crate::data::{files, idx_folder};

/// Locked by the process that downloads into the folder. The empty file stays; the lock ends with
/// the process, even if that is killed.
const LOCK: &str = ".mnist-tch.lock";
/// Timeout for connecting to a mirror, and then for each read.
const READ_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// Timeout for a whole file.
const FILE_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 3_600 });
/// Seconds to wait before each round of requests. After the first round, only mirrors with
/// transient failures are asked again.
const WAITS: [u64; 3] = if cfg!(test) { [0; 3] } else { [0, 1, 4] };
const MAX_REDIRECTS: u32 = 5;

/// Files to download.
pub(crate) struct Download<'a> {
    pub files: &'a [PublishedFile],
    /// Base URLs of the mirrors, in the order in which they are tried.
    pub mirrors: &'a [String],
    /// Where the files go; created if missing.
    pub folder: &'a Path,
    /// Replace a `.gz` file that is not the published one, as in the program's own cache.
    pub replace: bool,
    pub report: &'a mut dyn FnMut(Event<'_>),
}

/// Progress of a download.
pub(crate) enum Event<'a> {
    /// Waiting for another process that downloads into this folder.
    Waiting(&'a Path),
    /// This address answers; the size of the file if known.
    Started(&'a str, Option<u64>),
    /// Bytes of the file received so far.
    Received(u64),
    /// A mirror failed for a reason, and another one is asked next.
    Retrying {
        mirror: &'a str,
        reason: &'a str,
        next: &'a str,
    },
    /// The file with this name and compressed size was checked and written.
    Finished(&'a str, u64),
}

/// Why a mirror did not provide a file.
struct Failure {
    reason: Error,
    /// True if another attempt may succeed.
    is_transient: bool,
}

impl Download<'_> {
    /// Makes sure that the folder holds the files, raw or as `.gz`, and returns how many were
    /// downloaded. Existing files are checked. If none is missing, there is no request and nothing
    /// is written.
    pub(crate) fn run(mut self) -> Result<usize> {
        files::remove_unfinished(self.folder);
        if self.missing()?.is_empty() {
            return Ok(0);
        }
        let shown = self.folder.display();
        let created = fs::create_dir_all(self.folder);
        created.with_context(|| format!("cannot create the folder {shown}"))?;
        let lock = self.lock();
        let _lock = lock.with_context(|| format!("cannot lock {shown}/{LOCK}"))?;
        // Another process may have downloaded them while this one waited.
        let missing = self.missing()?;
        let agent = agent();
        for file in &missing {
            self.fetch(&agent, file)?;
        }
        Ok(missing.len())
    }

    fn missing(&self) -> Result<Vec<PublishedFile>> {
        let files = self.files.iter().copied();
        let missing = files.map(|file| Ok((!self.is_there(&file)?).then_some(file)));
        missing.filter_map(Result::transpose).collect()
    }

    fn is_there(&self, file: &PublishedFile) -> Result<bool> {
        // The file that would be read.
        let Ok(path) = idx_folder::find(self.folder, file.name) else {
            return Ok(false);
        };
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let check = || {
            let mut bytes = Vec::new();
            let source = File::open(&path)?.take(file.max_bytes() + 1);
            { source }.read_to_end(&mut bytes)?;
            file.check(&bytes, is_gzip)
        };
        match check() {
            Ok(()) => Ok(true),
            Err(_) if self.replace && is_gzip => Ok(false),
            Err(error) => Err(error.context(format!(
                "{} is not the published file: move it away to download it",
                path.display()
            ))),
        }
    }

    /// Waits until no other process downloads into the folder. The lock ends with the file.
    fn lock(&mut self) -> Result<File> {
        let file = File::options()
            .append(true)
            .create(true)
            .open(self.folder.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                (self.report)(Event::Waiting(self.folder));
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(file)
    }

    /// Asks the mirrors in rounds until one provides the file.
    fn fetch(&mut self, agent: &Agent, file: &PublishedFile) -> Result<()> {
        let name = format!("{}.gz", file.name);
        let mut mirrors: Vec<&String> = self.mirrors.iter().collect();
        // The last failure of each mirror; the latest one is at the end.
        let mut failures: Vec<(&String, String)> = Vec::new();
        for wait in WAITS {
            for mirror in std::mem::take(&mut mirrors) {
                if let Some((failed, reason)) = failures.last() {
                    (self.report)(Event::Retrying {
                        mirror: failed,
                        reason,
                        next: mirror,
                    });
                }
                thread::sleep(Duration::from_secs(wait));
                match self.request(agent, file, &format!("{mirror}/{name}")) {
                    Ok(bytes) => {
                        files::write(&self.folder.join(&name), &bytes, self.replace)?;
                        (self.report)(Event::Finished(&name, bytes.len() as u64));
                        return Ok(());
                    }
                    Err(failure) => {
                        mirrors.extend(failure.is_transient.then_some(mirror));
                        failures.retain(|(earlier, _)| *earlier != mirror);
                        failures.push((mirror, format!("{:#}", failure.reason)));
                    }
                }
            }
        }
        let reasons = failures.iter();
        let reasons: Vec<String> = reasons
            .map(|(mirror, reason)| format!("{mirror}: {reason}"))
            .collect();
        let reasons = reasons.join("; ");
        bail!("cannot fetch {name}: {reasons}; try again, or name another --mirror")
    }

    /// Requests a file once and returns its bytes, which are checked.
    fn request(
        &mut self,
        agent: &Agent,
        file: &PublishedFile,
        url: &str,
    ) -> Result<Vec<u8>, Failure> {
        let mut call = agent.get(url);
        if is_loopback(url) {
            call = call.config().proxy(None).build();
        }
        let response = call.call().map_err(explain)?;
        let status = response.status();
        if status != 200 {
            return Err(Failure {
                reason: anyhow!("HTTP {status}"),
                is_transient: matches!(status.as_u16(), 408 | 429 | 500..),
            });
        }
        let body = response.into_body();
        (self.report)(Event::Started(url, body.content_length()));
        let mut body = body.into_with_config().limit(file.max_bytes()).reader();
        let mut bytes = Vec::new();
        loop {
            let piece = body.by_ref().take(1 << 16).read_to_end(&mut bytes);
            if piece.map_err(|error| explain(error.into()))? == 0 {
                break;
            }
            (self.report)(Event::Received(bytes.len() as u64));
        }
        file.check(&bytes, true).map_err(|reason| Failure {
            reason,
            is_transient: false,
        })?;
        Ok(bytes)
    }
}

/// An HTTP client with the proxies of the environment: `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`,
/// `NO_PROXY`. It trusts the certificates of this machine or of `SSL_CERT_FILE`. Without any,
/// as in a minimal container, it trusts the authorities that browsers trust.
fn agent() -> Agent {
    let mut trusted = RootCerts::WebPki;
    let system = rustls_native_certs::load_native_certs().certs;
    if !system.is_empty() {
        let system = system.iter().map(|der| Certificate::from_der(der));
        trusted = system.map(|it| it.to_owned()).collect::<Vec<_>>().into();
    }
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(trusted).build())
        .http_status_as_error(false)
        .max_redirects(MAX_REDIRECTS)
        .user_agent(concat!("mnist-tch/", env!("CARGO_PKG_VERSION")))
        // The digests are those of the files as they are stored.
        .accept_encoding("identity")
        .timeout_resolve(Some(READ_TIMEOUT))
        .timeout_connect(Some(READ_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .timeout_per_write(Some(READ_TIMEOUT))
        .timeout_recv_body(Some(FILE_TIMEOUT));
    config.build().into()
}

/// Parses the address of a web folder, to which file names are appended. The error says what is
/// expected.
pub(crate) fn mirror(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().unwrap_or_default();
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    // Messages would show a password, and file names cannot follow a question mark or a hash.
    if is_web && has_host && !text.contains(['@', '?', '#']) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    let expected = "expected the address of a folder, such as https://example.org/mnist, without a \
                    password, a question mark or a hash";
    Err(expected.to_owned())
}

/// True if the address is on this machine. Such an address is never asked through a proxy.
fn is_loopback(url: &str) -> bool {
    let uri: Uri = url.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Converts an error to a helpful message, and says whether a retry may succeed.
fn explain(error: ureq::Error) -> Failure {
    let (read, whole) = (READ_TIMEOUT.as_secs(), FILE_TIMEOUT.as_secs());
    let (reason, is_transient) = match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            (anyhow!("no connection within {read} s"), true)
        }
        ureq::Error::Timeout(Timeout::RecvBody) => {
            (anyhow!("too slow: not complete in {whole} s"), true)
        }
        ureq::Error::Timeout(_) => (anyhow!("no answer for {read} s"), true),
        ureq::Error::BodyExceedsLimit(max) => (anyhow!("more than {max} bytes"), false),
        ureq::Error::BadUri(reason) => (
            anyhow!("it redirects to an address that cannot be used: {reason}"),
            false,
        ),
        ureq::Error::TooManyRedirects => (anyhow!("more than {MAX_REDIRECTS} redirects"), false),
        ureq::Error::ConnectProxyFailed(reason) => {
            let hint = "many proxies allow it for https addresses only";
            (
                anyhow!("the proxy refused CONNECT, {hint}: {reason}"),
                false,
            )
        }
        // An untrusted certificate.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            let hint = "for a certificate authority of your own, set SSL_CERT_FILE to its file";
            (anyhow!("{error}; {hint}"), false)
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            (anyhow!("the connection was closed before the end"), true)
        }
        ureq::Error::Io(error) => (error.into(), true),
        other => (other.into(), true),
    };
    Failure {
        reason,
        is_transient,
    }
}

#[cfg(test)]
mod tests;
