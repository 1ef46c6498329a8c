//! Gets published files from mirrors into a folder, so that only right files ever stand there
//! under their names. It prints nothing: what happens is reported through a closure.
//!
//! A file is small enough to be fetched and checked in memory. Then it is written under a temporary
//! name, synced and renamed. One process at a time fetches into a folder.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use super::hex;
use super::published::{Digest, PublishedFile};
use super::whole_file;

/// Held by the process that fetches into a folder. It stays there, empty: the lock is the system's,
/// and ends with the process however that ends.
const LOCK: &str = ".mnist-tch.lock";
/// How long a mirror may take to connect, and then without a byte.
const STALL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// How long a whole file may take.
const WHOLE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 3_600 });
/// Seconds before the mirrors whose trouble may have passed are asked again, and once more.
const WAITS: [u64; 2] = if cfg!(test) { [0, 0] } else { [1, 4] };

/// Files to fetch, from where, to where.
pub(crate) struct Download<'a> {
    pub files: &'a [PublishedFile],
    /// Addresses of folders on the web that may have them, asked in this order.
    pub mirrors: &'a [String],
    /// The folder they go to; it is made where it is missing.
    pub folder: &'a Path,
    /// Whether a `.gz` file there that is not the published one may be replaced: in the program's
    /// own cache it may.
    pub replace: bool,
    pub report: &'a mut dyn FnMut(Event<'_>),
}

/// What happens meanwhile.
pub(crate) enum Event<'a> {
    /// Another process is fetching into this folder, and this one waits for it.
    Waiting(&'a Path),
    /// Bytes begin to come from this address, so many where the mirror says it.
    Begun(&'a str, Option<u64>),
    /// So many bytes of the file have come.
    Received(u64),
    /// The file cannot be had from this mirror, for this reason; this one is asked next.
    Next(&'a str, &'a str, &'a str),
    /// A file of this name and size, as it was served, is there and right.
    Finished(&'a str, u64),
}

/// Why an attempt came to nothing, by what to do about it.
enum Problem {
    /// A connection that failed or broke off, or a server that is busy: worth another try.
    Passing(Error),
    /// The mirror has nothing that can be used.
    Mirror(Error),
    /// It is this machine: a full disk, a folder without permission. No mirror would help.
    Local(Error),
}

impl Download<'_> {
    /// Makes sure that the folder holds the files, raw or as `.gz`, and returns how many had to be
    /// fetched. Files that are there are checked and never fetched; without a missing file nothing
    /// is written and nothing asked. A file under its final name is always right.
    pub(crate) fn run(mut self) -> Result<usize> {
        if self.missing()?.is_empty() {
            return Ok(0);
        }
        let shown = self.folder.display();
        fs::create_dir_all(self.folder)
            .with_context(|| format!("cannot make the folder {shown}"))?;
        let _lock = self
            .lock()
            .with_context(|| format!("cannot lock {shown}/{LOCK}"))?;
        // Another process may have fetched them while this one waited.
        let missing = self.missing()?;
        let agent = agent();
        for file in &missing {
            self.fetch(&agent, file)?;
        }
        Ok(missing.len())
    }

    fn missing(&self) -> Result<Vec<PublishedFile>> {
        let mut missing = Vec::new();
        for file in self.files {
            if !self.is_there(file)? {
                missing.push(*file);
            }
        }
        Ok(missing)
    }

    fn is_there(&self, file: &PublishedFile) -> Result<bool> {
        // Raw before packed, as folders are read, and with the dot that some unpackers put in.
        let raw = [file.name.to_owned(), file.name.replace("-idx", ".idx")];
        let names = raw.map(|raw| [raw.clone(), raw + ".gz"]).into_iter();
        let mut paths = names.flatten().map(|name| self.folder.join(name));
        let Some(path) = paths.find(|path| path.is_file()) else {
            return Ok(false);
        };
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        let check = || {
            let mut bytes = Vec::new();
            let source = File::open(&path)?.take(file.most_bytes() + 1);
            { source }.read_to_end(&mut bytes)?;
            check(&bytes, packed, file)
        };
        match check() {
            Ok(()) => Ok(true),
            Err(_) if self.replace && packed => Ok(false),
            Err(error) => Err(error.context(format!(
                "{} is not the published file; move it away and it will be fetched",
                path.display()
            ))),
        }
    }

    /// Waits until no other process fetches into the folder; the lock ends with the file.
    fn lock(&mut self) -> Result<File> {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = options.open(self.folder.join(LOCK))?;
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

    /// Asks each mirror in turn; then, after a wait, those again whose trouble may have passed.
    fn fetch(&mut self, agent: &Agent, file: &PublishedFile) -> Result<()> {
        let name = file.gz_name();
        let mut mirrors: Vec<&String> = self.mirrors.iter().collect();
        // Why each mirror that was asked has failed, the latest one last.
        let mut reasons: Vec<(&String, String)> = Vec::new();
        for wait in [0].into_iter().chain(WAITS) {
            for mirror in std::mem::take(&mut mirrors) {
                if let Some((failed, reason)) = reasons.last() {
                    (self.report)(Event::Next(failed, reason, mirror));
                    thread::sleep(Duration::from_secs(wait));
                }
                let reason = match self.attempt(agent, file, &format!("{mirror}/{name}")) {
                    Ok(()) => return Ok(()),
                    Err(Problem::Local(error)) => return Err(error),
                    Err(Problem::Mirror(reason)) => reason,
                    Err(Problem::Passing(reason)) => {
                        mirrors.push(mirror);
                        reason
                    }
                };
                reasons.retain(|(earlier, _)| *earlier != mirror);
                reasons.push((mirror, format!("{reason:#}")));
            }
        }
        let shown = |(mirror, why)| format!("{mirror}: {why}");
        let shown: Vec<String> = reasons.into_iter().map(shown).collect();
        let shown = shown.join("; ");
        bail!("cannot fetch {name}: {shown}; try again, or name another --mirror")
    }

    /// One request. In the end the file stands there, or an error says why not.
    fn attempt(&mut self, agent: &Agent, file: &PublishedFile, url: &str) -> Result<(), Problem> {
        let mut call = agent.get(url);
        if is_loopback(url) {
            call = call.config().proxy(None).build();
        }
        let response = call.call().map_err(in_words)?;
        let status = response.status();
        match status.as_u16() {
            200 => {}
            408 | 429 | 500.. => return Err(Problem::Passing(anyhow!("HTTP {status}"))),
            _ => return Err(Problem::Mirror(anyhow!("HTTP {status}"))),
        }
        let body = response.into_body();
        (self.report)(Event::Begun(url, body.content_length()));
        let mut body = body.into_with_config().limit(file.most_bytes()).reader();
        let mut bytes = Vec::new();
        loop {
            let piece = body.by_ref().take(1 << 16).read_to_end(&mut bytes);
            if piece.map_err(|error| in_words(error.into()))? == 0 {
                break;
            }
            (self.report)(Event::Received(bytes.len() as u64));
        }
        check(&bytes, true, file).map_err(Problem::Mirror)?;
        let name = file.gz_name();
        let path = self.folder.join(&name);
        let written = whole_file::write(&path, &bytes, self.replace);
        let context = || format!("cannot write {}", path.display());
        written.with_context(context).map_err(Problem::Local)?;
        (self.report)(Event::Finished(&name, bytes.len() as u64));
        Ok(())
    }
}

/// An HTTP client. Proxies are those of the environment: `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`,
/// `NO_PROXY`. It trusts whom this machine trusts, or `SSL_CERT_FILE` says; where that is nobody,
/// as in a container without certificates, the authorities that browsers trust.
fn agent() -> Agent {
    let mut trusted = RootCerts::WebPki;
    let system = rustls_native_certs::load_native_certs().certs;
    if !system.is_empty() {
        let owned = system
            .iter()
            .map(|der| Certificate::from_der(der).to_owned());
        trusted = owned.collect::<Vec<_>>().into();
    }
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(trusted).build())
        .http_status_as_error(false)
        .max_redirects(5)
        .user_agent(concat!("mnist-tch/", env!("CARGO_PKG_VERSION")))
        // The digests are those of the files as they are.
        .accept_encoding("identity")
        .timeout_resolve(Some(STALL))
        .timeout_connect(Some(STALL))
        .timeout_recv_response(Some(STALL))
        .timeout_per_read(Some(STALL))
        .timeout_per_write(Some(STALL))
        .timeout_recv_body(Some(WHOLE));
    config.build().into()
}

/// An address as it is typed: `http://` or `https://`, a host, and a path that file names are put
/// after. The error says what is expected.
pub(crate) fn mirror(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().unwrap_or_default();
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.host().is_some_and(|host| !host.is_empty());
    // A password would show up in messages; what stands after ? or # would end up before the
    // file's name.
    if web && host && !text.contains(['@', '?', '#']) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    let expected = "the address of a folder is expected, such as https://example.org/mnist: \
                    http or https, without a password, a question mark or a hash";
    Err(expected.to_owned())
}

/// Whether the address is on this machine, which is never asked through a proxy.
fn is_loopback(url: &str) -> bool {
    let uri: Uri = url.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn in_words(error: ureq::Error) -> Problem {
    let (stall, whole) = (STALL.as_secs(), WHOLE.as_secs());
    Problem::Passing(match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            anyhow!("no connection within {stall} s")
        }
        ureq::Error::Timeout(Timeout::RecvBody) => anyhow!("too slow: not there in {whole} s"),
        ureq::Error::Timeout(_) => anyhow!("no answer for {stall} s"),
        ureq::Error::BodyExceedsLimit(most) => {
            return Problem::Mirror(anyhow!("more than {most} bytes, too many for it"));
        }
        // The certificate is none that this machine trusts.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            let hint =
                "if it is signed by an authority of your own, name its file in SSL_CERT_FILE";
            return Problem::Mirror(anyhow!("{error}; {hint}"));
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            anyhow!("the connection was closed before the end")
        }
        ureq::Error::Io(error) => error.into(),
        other => other.into(),
    })
}

/// Whether these bytes are the published file, `packed` as it is served or raw; the message says
/// what is wrong, not which file.
fn check(bytes: &[u8], packed: bool, file: &PublishedFile) -> Result<()> {
    let (mut unpacked, size) = (Vec::new(), file.size);
    if packed {
        starts_as_gzip(bytes)?;
        if let Digest::FileMd5(expected) = file.digest {
            let what = "not the published file, or compressed anew: its MD5";
            return same(what, &hex(Md5::digest(bytes)), expected);
        }
        // One byte more than expected, so that more shows: a gzip bomb goes no further than this.
        let content = MultiGzDecoder::new(bytes)
            .take(size + 1)
            .read_to_end(&mut unpacked);
        content.with_context(|| format!("broken after {} bytes of content", unpacked.len()))?;
    }
    let content = if packed { &unpacked } else { bytes };
    let length = content.len() as u64;
    ensure!(
        length >= size,
        "the content has {length} bytes; {size} are expected"
    );
    ensure!(
        length == size,
        "the content has more than the {size} bytes that are expected"
    );
    if let Digest::ContentSha256(expected) = file.digest {
        same(
            "the content's SHA-256",
            &hex(Sha256::digest(content)),
            expected,
        )?;
    }
    Ok(())
}

fn same(what: &str, found: &str, expected: &str) -> Result<()> {
    ensure!(
        found == expected,
        "{what} is {found}; {expected} is expected"
    );
    Ok(())
}

/// Recognises what is served in place of a gzip file by its first bytes.
fn starts_as_gzip(bytes: &[u8]) -> Result<()> {
    ensure!(!bytes.is_empty(), "it is empty");
    let text = bytes.trim_ascii_start();
    let shown = text.get(..15).unwrap_or(text).escape_ascii();
    let is_page = text.starts_with(b"<");
    let page = if is_page { "a web page and " } else { "" };
    let is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
    ensure!(is_gzip, "{page}not a gzip file: it starts with {shown}");
    Ok(())
}

#[cfg(test)]
mod tests;
