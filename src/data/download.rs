//! Gets published files from mirrors into a folder, so that only right files ever stand there
//! under their names. It prints nothing: what happens is reported through a closure.
//!
//! A file comes in under a temporary name, is checked while it comes, and takes its own name when
//! it is whole and on the disk. One process at a time fetches into a folder.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, BodyReader, Timeout};

use super::hex;
use super::published::{Digest, PublishedFile};

/// Held by the process that fetches into a folder. It stays there, empty: the lock is the system's,
/// and ends with the process however that ends.
const LOCK: &str = ".mnist-tch.lock";
/// How long a mirror may take to connect, and then without a byte.
const STALL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// How long a whole file may take.
const WHOLE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 3_600 });
/// Before the mirrors whose trouble may have passed are asked again, and once more.
const WAITS: [Duration; 2] = if cfg!(test) {
    [Duration::from_millis(1); 2]
} else {
    [Duration::from_secs(1), Duration::from_secs(4)]
};

/// What to fetch, from where, to where.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The files wanted.
    pub files: &'a [PublishedFile],
    /// Addresses of folders on the web that may have them, asked in this order.
    pub mirrors: &'a [String],
    /// The folder they go to; it is made where it is missing.
    pub folder: &'a Path,
    /// Whether a `.gz` file there that is not the published one may be replaced: in the program's
    /// own cache it may.
    pub replace: bool,
}

/// What happens meanwhile.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// Another process is fetching into this folder, and this one waits for it.
    Waiting(&'a Path),
    /// Bytes begin to come from this address, so many where the mirror says it.
    Begun { url: &'a str, total: Option<u64> },
    /// So many bytes of the file have come.
    Received(u64),
    /// The file cannot be had from this address, and the next one is tried: another mirror, or
    /// `again` one that was asked before.
    Next {
        url: &'a str,
        reason: &'a str,
        again: bool,
    },
    /// A file of this name and size, as it was served, is there and right.
    Finished { name: &'a str, bytes: u64 },
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

/// Makes sure that the folder holds the files wanted, raw or as `.gz`, and returns how many had to
/// be fetched. Files that are there are checked and never fetched; without a missing file nothing
/// is written and nothing asked. A file under its final name is always right.
pub(crate) fn fetch(request: &Request, report: &mut dyn FnMut(Event)) -> Result<usize> {
    if missing(request)?.is_empty() {
        return Ok(0);
    }
    let folder = request.folder;
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let _lock = lock(folder, report)?;
    // Another process may have fetched them while this one waited.
    let missing = missing(request)?;
    let mut transfer = Transfer {
        agent: agent(),
        request,
        report,
    };
    for file in &missing {
        remove_leftovers(folder, &file.gz_name());
        transfer.fetch(file)?;
    }
    Ok(missing.len())
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
    Err(
        "the address of a folder is expected, such as https://example.org/mnist: http or https, \
         without a password, a question mark or a hash"
            .to_owned(),
    )
}

fn missing<'a>(request: &Request<'a>) -> Result<Vec<&'a PublishedFile>> {
    let mut missing = Vec::new();
    for file in request.files {
        if !is_there(request, file)? {
            missing.push(file);
        }
    }
    Ok(missing)
}

fn is_there(request: &Request, file: &PublishedFile) -> Result<bool> {
    // Raw before packed, as folders are read, and with the dot that some unpackers put in.
    let names = [file.name.to_owned(), file.name.replace("-idx", ".idx")];
    let names = names
        .into_iter()
        .flat_map(|name| [name.clone(), name + ".gz"]);
    let mut paths = names.map(|name| request.folder.join(name));
    let Some(path) = paths.find(|path| path.is_file()) else {
        return Ok(false);
    };
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    match File::open(&path)
        .map_err(Error::from)
        .and_then(|source| check(source, packed, file))
    {
        Ok(()) => Ok(true),
        Err(_) if request.replace && packed => Ok(false),
        Err(error) => Err(error.context(format!(
            "{} is not the published file; move it away and it will be fetched",
            path.display()
        ))),
    }
}

/// Waits until no other process fetches into `folder`; the lock ends with the file it returns.
fn lock(folder: &Path, report: &mut dyn FnMut(Event)) -> Result<File> {
    let path = folder.join(LOCK);
    let mut lock = || {
        let mut options = File::options();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                report(Event::Waiting(folder));
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(file)
    };
    lock().with_context(|| format!("cannot lock {}", path.display()))
}

/// The start and the end of the names under which the file `name` comes in.
fn temporary(name: &str) -> (String, &'static str) {
    (format!(".{name}."), "partial")
}

/// Takes away what killed processes left of the file `name`. Nobody else can be at work on it,
/// because the folder is locked; what cannot be taken away does no harm.
fn remove_leftovers(folder: &Path, name: &str) {
    let (start, end) = temporary(name);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&start) && name.ends_with(end) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// An HTTP client. Proxies are those of the environment: `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`,
/// `NO_PROXY`. It trusts whom this machine trusts, or `SSL_CERT_FILE` says; where that is nobody,
/// as in a container without certificates, the authorities that browsers trust.
fn agent() -> Agent {
    let system = rustls_native_certs::load_native_certs().certs;
    let system = system
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    let system: Vec<Certificate> = system.collect();
    let trusted = if system.is_empty() {
        RootCerts::WebPki
    } else {
        system.into()
    };
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

/// Gets files, one after the other, with one client.
struct Transfer<'a> {
    request: &'a Request<'a>,
    agent: Agent,
    report: &'a mut dyn FnMut(Event<'_>),
}

impl Transfer<'_> {
    /// Asks each mirror in turn; then, after a wait, those again whose trouble may have passed.
    fn fetch(&mut self, file: &PublishedFile) -> Result<()> {
        let name = file.gz_name();
        let mut mirrors: Vec<&String> = self.request.mirrors.iter().collect();
        // Why each mirror that was asked has failed, the latest one last.
        let mut reasons: Vec<(&String, String)> = Vec::new();
        for wait in [Duration::ZERO].into_iter().chain(WAITS) {
            for mirror in std::mem::take(&mut mirrors) {
                if let Some((failed, reason)) = reasons.last() {
                    let (url, again) = (&format!("{failed}/{name}"), !wait.is_zero());
                    (self.report)(Event::Next { url, reason, again });
                    thread::sleep(wait);
                }
                let reason = match self.attempt(file, &format!("{mirror}/{name}")) {
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
        let reasons = reasons
            .iter()
            .map(|(mirror, reason)| format!("{mirror}: {reason}"));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        bail!("cannot fetch {name}: {reasons}; try again, or name another --mirror")
    }

    /// One request. In the end the file stands there, or an error says why not.
    fn attempt(&mut self, file: &PublishedFile, url: &str) -> Result<(), Problem> {
        let passing = |error| Problem::Passing(in_words(error));
        let mut call = self.agent.get(url);
        if is_loopback(url) {
            call = call.config().proxy(None).build();
        }
        let response = call.call().map_err(passing)?;
        let status = response.status();
        match status.as_u16() {
            200 => {}
            408 | 429 | 500.. => return Err(Problem::Passing(anyhow!("HTTP {status}"))),
            _ => return Err(Problem::Mirror(anyhow!("HTTP {status}"))),
        }
        let body = response.into_body();
        let total = body.content_length();
        (self.report)(Event::Begun { url, total });
        let (folder, name) = (self.request.folder, &file.gz_name());
        let limited = body.into_with_config().limit(file.most_compressed());
        let mut incoming = Incoming {
            body: limited.reader(),
            file: temporary_file(folder, name).map_err(Problem::Local)?,
            bytes: 0,
            report: self.report,
            problem: None,
        };
        let checked = check(&mut incoming, true, file);
        if let Some(problem) = incoming.problem {
            return Err(problem);
        }
        checked.map_err(Problem::Mirror)?;
        let (whole, bytes) = (incoming.file, incoming.bytes);
        finish(whole, &folder.join(name), self.request.replace).map_err(Problem::Local)?;
        (self.report)(Event::Finished { name, bytes });
        Ok(())
    }
}

/// An empty file in `folder` for what will be `name`, with the permissions of any new file.
fn temporary_file(folder: &Path, name: &str) -> Result<NamedTempFile> {
    let (start, end) = temporary(name);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&start).suffix(end);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder);
    file.with_context(|| format!("cannot write into {}", folder.display()))
}

/// Gives the file its name, once its bytes are on the disk.
fn finish(file: NamedTempFile, target: &Path, replace: bool) -> Result<()> {
    let context = || format!("cannot write {}", target.display());
    file.as_file().sync_all().with_context(context)?;
    let named = if replace {
        file.persist(target)
    } else {
        file.persist_noclobber(target)
    };
    named.map_err(|error| error.error).with_context(context)?;
    // So that the name, too, outlives a power cut; not every system lets a folder be opened for it.
    if let Some(folder) = target.parent().and_then(|path| File::open(path).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// A file that is coming in: whoever reads it leaves a copy on the disk.
struct Incoming<'a> {
    body: BodyReader<'static>,
    file: NamedTempFile,
    bytes: u64,
    report: &'a mut dyn FnMut(Event<'_>),
    /// What went wrong, if it was not the content.
    problem: Option<Problem>,
}

impl Incoming<'_> {
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
        let read = self.body.read(buffer);
        let read = read.map_err(|error| Problem::Passing(in_words(error.into())))?;
        let written = self.file.write_all(&buffer[..read]);
        let context = || format!("cannot write {}", self.file.path().display());
        written.with_context(context).map_err(Problem::Local)?;
        self.bytes += read as u64;
        (self.report)(Event::Received(self.bytes));
        Ok(read)
    }
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer).map_err(|problem| {
            self.problem = Some(problem);
            io::Error::other("the file does not come in")
        })
    }
}

/// Whether the address is on this machine, which is never asked through a proxy.
fn is_loopback(url: &str) -> bool {
    let uri: Uri = url.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn in_words(error: ureq::Error) -> Error {
    let stall = STALL.as_secs();
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            anyhow!("no connection within {stall} s")
        }
        ureq::Error::Timeout(Timeout::RecvBody) => {
            anyhow!(
                "too slow: the file was not there after {} s",
                WHOLE.as_secs()
            )
        }
        ureq::Error::Timeout(_) => anyhow!("no answer for {stall} s"),
        ureq::Error::BodyExceedsLimit(most) => anyhow!("more than {most} bytes, too many for it"),
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            anyhow!("the connection was closed before the end")
        }
        ureq::Error::Io(error) => error.into(),
        other => other.into(),
    }
}

/// Reads a file to its end and says whether it is the published one, `packed` as it is served or
/// raw; the message says what is wrong, not which file. Memory does not grow with the file.
fn check(source: impl Read, packed: bool, file: &PublishedFile) -> Result<()> {
    let mut source = BufReader::with_capacity(1 << 16, Hashed::<_, Md5>::new(source));
    let sha256 = if packed {
        starts_as_gzip(source.fill_buf()?)?;
        check_size(MultiGzDecoder::new(&mut source), file.size)?
    } else {
        check_size(&mut source, file.size)?
    };
    let (what, found, expected) = match file.digest {
        Digest::ContentSha256(expected) => ("the content's SHA-256", sha256, expected),
        Digest::FileMd5(expected) if packed => {
            let md5 = hex(source.into_inner().hasher.finalize());
            (
                "not the published file, or compressed anew: MD5",
                md5,
                expected,
            )
        }
        Digest::FileMd5(_) => return Ok(()),
    };
    ensure!(
        found == expected,
        "{what} is {found}; {expected} is expected"
    );
    Ok(())
}

/// Reads content of so many bytes, and returns its SHA-256.
fn check_size(source: impl Read, size: u64) -> Result<String> {
    // One byte more than expected, so that more shows: a gzip bomb goes no further than this.
    let mut content = Hashed::<_, Sha256>::new(source.take(size + 1));
    let copied = io::copy(&mut content, &mut io::sink());
    let count = size + 1 - content.inner.limit();
    copied.with_context(|| format!("broken after {count} bytes of content"))?;
    ensure!(
        count >= size,
        "the content has {count} bytes; {size} are expected"
    );
    ensure!(
        count == size,
        "the content has more than the {size} bytes that are expected"
    );
    Ok(hex(content.hasher.finalize()))
}

/// Recognises what is served in place of a gzip file by its first bytes; one is enough to say no.
fn starts_as_gzip(start: &[u8]) -> Result<()> {
    ensure!(!start.is_empty(), "it is empty");
    let is_gzip = start.iter().zip([0x1f, 0x8b]).all(|(&one, two)| one == two);
    let text = start.trim_ascii_start();
    let shown = text.get(..15).unwrap_or(text).escape_ascii();
    let page = if text.starts_with(b"<") {
        "a web page and "
    } else {
        ""
    };
    ensure!(is_gzip, "{page}not a gzip file: it starts with {shown}");
    Ok(())
}

/// Digests what is read through it.
struct Hashed<R, D> {
    inner: R,
    hasher: D,
}

impl<R, D: sha2::Digest> Hashed<R, D> {
    fn new(inner: R) -> Self {
        let hasher = D::new();
        Self { inner, hasher }
    }
}

impl<R: Read, D: sha2::Digest> Read for Hashed<R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
