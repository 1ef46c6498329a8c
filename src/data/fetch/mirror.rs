//! The address of a folder on the web.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

/// Where the files of a data set are served: `http://` or `https://`, a host, and a path that file names are put after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror(String);

impl Mirror {
    /// The address of the file `name`.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Mirror {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "the address of a folder is expected, such as https://example.org/mnist: http or https, \
             without a password, a question mark or a hash"
                .to_owned()
        };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().is_some_and(|host| !host.is_empty());
        // A password would show up in messages; what stands after ? or # would end up before the file's name.
        if !web || !host || text.contains(['@', '?', '#']) {
            return Err(wrong());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::catalog::Published;

    #[test]
    fn names_are_put_after_the_folder() {
        for text in ["https://example.org/mnist", "https://example.org/mnist//"] {
            let mirror: Mirror = text.parse().unwrap();
            assert_eq!(mirror.url("a.gz"), "https://example.org/mnist/a.gz");
        }
        let mirror: Mirror = "http://127.0.0.1:8000".parse().unwrap();
        assert_eq!(mirror.url("a.gz"), "http://127.0.0.1:8000/a.gz");
    }

    #[test]
    fn every_known_mirror_is_one() {
        for set in [Published::Mnist, Published::FashionMnist, Published::Kmnist] {
            for text in set.mirrors() {
                text.parse::<Mirror>().unwrap();
            }
        }
    }

    #[test]
    fn what_is_not_the_address_of_a_folder_is_refused() {
        for text in [
            "",
            "mnist",
            "/data/mnist",
            "ftp://example.org",
            "file:///data",
            "http://",
            "http:///mnist",
            "http://me:secret@example.org",
            "http://example.org/?file=",
            "http://example.org/#",
            "http://exa mple.org",
        ] {
            let error = text.parse::<Mirror>().unwrap_err();
            assert!(error.contains("https://"), "{text}: {error}");
        }
    }
}
