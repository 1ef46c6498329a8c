//! One file after the other: each mirror in turn, what is kept when a connection breaks off, and the check before a
//! file takes its name.

use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use super::client::{Client, Incoming, Reply};
use super::partial::Partial;
use super::problem::Problem;
use super::{Event, Patience, Request, check};
use crate::data::catalog::PublishedFile;

/// How often a connection to one mirror that broke off is made again, as long as each brings bytes.
const RETRIES: usize = 4;

/// Gets files, one after the other, with one client.
pub struct Transfer<'a> {
    request: &'a Request<'a>,
    client: Client,
    report: &'a mut dyn FnMut(Event),
}

impl<'a> Transfer<'a> {
    /// Ready to do what `request` says, in a folder that no other process fetches into.
    pub fn new(request: &'a Request<'a>, report: &'a mut dyn FnMut(Event)) -> Self {
        Self {
            client: Client::new(request.patience),
            request,
            report,
        }
    }

    /// Asks each mirror in turn.
    pub fn fetch(&mut self, file: &PublishedFile) -> Result<()> {
        let name = file.gz_name();
        let mut partial = Partial::open(self.request.folder.join(&name))?;
        let mut reasons = Vec::new();
        let mut mirrors = self.request.mirrors.iter().peekable();
        while let Some(mirror) = mirrors.next() {
            let url = mirror.url(&name);
            let reason = match self.try_mirror(&url, file, &mut partial) {
                Ok(()) => return self.finish(&name, partial),
                Err(Problem::Local(error)) => return Err(error),
                Err(Problem::Cut(reason) | Problem::Mirror(reason)) => reason,
            };
            reasons.push(format!("{mirror}: {reason:#}"));
            if mirrors.peek().is_some() {
                let (url, reason) = (&url, &reason);
                (self.report)(Event::NextMirror { url, reason });
            }
        }
        partial.keep();
        bail!(
            "cannot fetch {name}: {}; try again, or name another --mirror",
            reasons.join("; ")
        )
    }

    fn finish(&mut self, name: &str, partial: Partial) -> Result<()> {
        let bytes = partial.length();
        partial.finish()?;
        (self.report)(Event::Finished { name, bytes });
        Ok(())
    }

    /// One mirror, as often as it is worth it. In the end the bytes are the published file, or an error says why not.
    fn try_mirror(
        &mut self,
        url: &str,
        file: &PublishedFile,
        partial: &mut Partial,
    ) -> Result<(), Problem> {
        let mut retries = RETRIES;
        loop {
            let before = partial.length();
            match self.attempt(url, file, partial) {
                Ok(resumed) => match check::compressed(partial.file(), file) {
                    Ok(()) => return Ok(()),
                    Err(error) => {
                        partial.clear().map_err(Problem::Local)?;
                        // The fault may lie in the bytes of an earlier time.
                        if !resumed || retries == 0 {
                            return Err(Problem::Mirror(error));
                        }
                    }
                },
                Err(Problem::Cut(_)) if partial.length() > before && retries > 0 => {}
                Err(problem) => return Err(problem),
            }
            retries -= 1;
        }
    }

    /// One request. True if bytes of an earlier one were made use of.
    fn attempt(
        &mut self,
        url: &str,
        file: &PublishedFile,
        partial: &mut Partial,
    ) -> Result<bool, Problem> {
        let start = partial.start(url);
        let incoming = match self.client.get(url, start.as_ref())? {
            Reply::Bytes(incoming) => incoming,
            // Whether it is the whole file already, the check will tell.
            Reply::NoRest => return Ok(true),
        };
        let most = file.most_compressed();
        if let Some(total) = incoming.total.filter(|&total| total > most) {
            return Err(too_large(total, most));
        }
        if incoming.start == 0 {
            let begun = partial.begin(url, incoming.validator.as_deref());
            begun.map_err(Problem::Local)?;
        }
        let start = incoming.start;
        (self.report)(Event::Begun { url, start });
        self.receive(incoming, most, partial)?;
        Ok(start > 0)
    }

    /// Takes in what comes, up to `most` bytes in all, as long as it comes fast enough.
    fn receive(
        &mut self,
        mut incoming: Incoming,
        most: u64,
        partial: &mut Partial,
    ) -> Result<(), Problem> {
        let mut pace = Pace::new(self.request.patience);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = self.client.read(&mut incoming, &mut buffer)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            if partial.length() == 0 {
                check::starts_as_gzip(bytes).map_err(Problem::Mirror)?;
            }
            let length = partial.length() + bytes.len() as u64;
            if length > most {
                partial.clear().map_err(Problem::Local)?;
                return Err(too_large(length, most));
            }
            partial.append(bytes).map_err(Problem::Local)?;
            (self.report)(Event::Received {
                bytes: length,
                total: incoming.total,
            });
            pace.add(read).map_err(Problem::Mirror)?;
        }
    }
}

fn too_large(bytes: u64, most: u64) -> Problem {
    Problem::Mirror(anyhow!(
        "{bytes} bytes or more, where the file can have {most} at most"
    ))
}

/// Watches that bytes come at the slowest pace allowed, or faster.
struct Pace {
    patience: Patience,
    since: Instant,
    bytes: usize,
}

impl Pace {
    fn new(patience: Patience) -> Self {
        Self {
            patience,
            since: Instant::now(),
            bytes: 0,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
    fn add(&mut self, bytes: usize) -> Result<()> {
        let Patience { stall, slowest, .. } = self.patience;
        self.bytes += bytes;
        if self.since.elapsed() < stall {
            return Ok(());
        }
        let pace = self.bytes as f64 / self.since.elapsed().as_secs_f64();
        if pace < f64::from(slowest) {
            bail!("too slow: {pace:.0} bytes per second; {slowest} are the least");
        }
        *self = Self::new(self.patience);
        Ok(())
    }
}
