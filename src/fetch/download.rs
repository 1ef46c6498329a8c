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

use anyhow::{Context, Error, Result, anyhow, bail};
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use super::files::PublishedFile;
use crate::data::files;

/// Held by the process that fetches into a folder. It stays there, empty: the lock is the system's,
/// and ends with the process however that ends.
const LOCK: &str = ".mnist-tch.lock";
/// How long a mirror may take to connect, and then without a byte.
const STALL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// How long a whole file may take.
const WHOLE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 3_600 });
/// Seconds before the mirrors are asked; and before those whose trouble may have passed are asked
/// again, and once more.
const WAITS: [u64; 3] = if cfg!(test) { [0; 3] } else { [0, 1, 4] };

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

/// Why a mirror gave no file that can be used, and whether another try may be worth it.
type Failure = (Error, bool);

impl Download<'_> {
    /// Makes sure that the folder holds the files, raw or as `.gz`, and returns how many had to be
    /// fetched. Files that are there are checked and never fetched; without a missing file nothing
    /// is written and nothing asked. A file under its final name is always right.
    pub(crate) fn run(mut self) -> Result<usize> {
        if self.missing()?.is_empty() {
            return Ok(0);
        }
        let shown = self.folder.display();
        let made = fs::create_dir_all(self.folder);
        made.with_context(|| format!("cannot make the folder {shown}"))?;
        let lock = self.lock();
        let _lock = lock.with_context(|| format!("cannot lock {shown}/{LOCK}"))?;
        // Another process may have fetched them while this one waited.
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
            file.check(&bytes, packed)
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

    /// Asks each mirror in turn; then, after a wait, those again whose trouble may have passed.
    fn fetch(&mut self, agent: &Agent, file: &PublishedFile) -> Result<()> {
        let name = format!("{}.gz", file.name);
        let mut mirrors: Vec<&String> = self.mirrors.iter().collect();
        // Why each mirror that was asked has failed, the latest one last.
        let mut reasons: Vec<(&String, String)> = Vec::new();
        for wait in WAITS {
            for mirror in std::mem::take(&mut mirrors) {
                if let Some((failed, reason)) = reasons.last() {
                    (self.report)(Event::Next(failed, reason, mirror));
                }
                thread::sleep(Duration::from_secs(wait));
                match self.attempt(agent, file, &format!("{mirror}/{name}")) {
                    Ok(bytes) => {
                        files::write(&self.folder.join(&name), &bytes, self.replace)?;
                        (self.report)(Event::Finished(&name, bytes.len() as u64));
                        return Ok(());
                    }
                    Err((reason, may_pass)) => {
                        mirrors.extend(may_pass.then_some(mirror));
                        reasons.retain(|(earlier, _)| *earlier != mirror);
                        reasons.push((mirror, format!("{reason:#}")));
                    }
                }
            }
        }
        let shown = |(mirror, why)| format!("{mirror}: {why}");
        let shown: Vec<String> = reasons.into_iter().map(shown).collect();
        let shown = shown.join("; ");
        bail!("cannot fetch {name}: {shown}; try again, or name another --mirror")
    }

    /// One request: the bytes of the file, which are right.
    fn attempt(
        &mut self,
        agent: &Agent,
        file: &PublishedFile,
        url: &str,
    ) -> Result<Vec<u8>, Failure> {
        let mut call = agent.get(url);
        if is_loopback(url) {
            call = call.config().proxy(None).build();
        }
        let response = call.call().map_err(failure)?;
        let status = response.status();
        if status != 200 {
            let is_busy = matches!(status.as_u16(), 408 | 429 | 500..);
            return Err((anyhow!("HTTP {status}"), is_busy));
        }
        let body = response.into_body();
        (self.report)(Event::Begun(url, body.content_length()));
        let mut body = body.into_with_config().limit(file.most_bytes()).reader();
        let mut bytes = Vec::new();
        loop {
            let piece = body.by_ref().take(1 << 16).read_to_end(&mut bytes);
            if piece.map_err(|error| failure(error.into()))? == 0 {
                break;
            }
            (self.report)(Event::Received(bytes.len() as u64));
        }
        file.check(&bytes, true).map_err(|error| (error, false))?;
        Ok(bytes)
    }
}

/// An HTTP client. Proxies are those of the environment: `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`,
/// `NO_PROXY`. It trusts whom this machine trusts, or `SSL_CERT_FILE` says; where that is nobody,
/// as in a container without certificates, the authorities that browsers trust.
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

/// What went wrong, in words that a user can do something with.
fn failure(error: ureq::Error) -> Failure {
    let (stall, whole) = (STALL.as_secs(), WHOLE.as_secs());
    let may_pass = match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            anyhow!("no connection within {stall} s")
        }
        ureq::Error::Timeout(Timeout::RecvBody) => anyhow!("too slow: not there in {whole} s"),
        ureq::Error::Timeout(_) => anyhow!("no answer for {stall} s"),
        ureq::Error::BodyExceedsLimit(most) => {
            return (anyhow!("more than {most} bytes, too many for it"), false);
        }
        // The certificate is none that this machine trusts.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            let hint =
                "if it is signed by an authority of your own, name its file in SSL_CERT_FILE";
            return (anyhow!("{error}; {hint}"), false);
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            anyhow!("the connection was closed before the end")
        }
        ureq::Error::Io(error) => error.into(),
        other => other.into(),
    };
    (may_pass, true)
}

#[cfg(test)]
mod tests;
