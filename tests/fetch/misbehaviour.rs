//! Servers that do what servers do: the next mirror is tried, or one line says what is wrong.

use std::io::Write;
use std::thread;
use std::time::Duration;

use mnist_tch::data::fetch::Patience;
use tempfile::tempdir;

use super::sample::{
    FAST, FILES, IMPATIENT, PATIENT, SIZE, assert_complete, content, fetch_with, good, gzip, names,
    saying, wanted,
};
use super::server::{Server, head, serve};

/// Alone, `bad` gives one line with `part` in it and no file under its name; before a good mirror it does no harm.
fn check(bad: &Server, patience: Patience, part: &str) {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let (outcome, _) = fetch_with(&[bad], path, &*FILES, patience, true);
    let error = outcome.unwrap_err();
    assert!(error.contains(part), "{part}: {error}");
    assert!(error.contains("cannot fetch images.gz"), "{error}");
    assert!(error.contains(&bad.mirror().to_string()), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!names(path).contains(&"images.gz".to_owned()));

    let (outcome, events) = fetch_with(&[bad, &good()], path, &*FILES, patience, true);
    assert_eq!(outcome, Ok(2), "{part}");
    let next = events.iter().find(|event| event.starts_with("NextMirror"));
    assert!(next.is_some_and(|event| event.contains(part)), "{events:?}");
    assert_complete(path);
}

#[test]
fn error_statuses() {
    check(
        &saying("404 Not Found", b"<html>"),
        PATIENT,
        "HTTP 404 Not Found",
    );
    check(
        &saying("500 Internal Server Error", b""),
        PATIENT,
        "HTTP 500",
    );
    check(&saying("204 No Content", b""), PATIENT, "HTTP 204");
}

#[test]
fn web_pages_and_other_things_that_are_not_gzip() {
    let page = b"\n<!DOCTYPE html><title>Welcome to our hotel</title>";
    check(
        &saying("200 OK", page),
        PATIENT,
        "a web page and not a gzip file",
    );
    check(
        &saying("200 OK", b"sorry"),
        PATIENT,
        "not a gzip file: it starts with 736f7272",
    );
    check(&saying("200 OK", b""), PATIENT, "it is empty");
    // Decompressed on the way, as some servers do.
    check(
        &saying("200 OK", &[0, 0, 8, 3]),
        PATIENT,
        "starts with 00000803",
    );
}

#[test]
fn wrong_content() {
    let other = gzip(&content("other"));
    check(
        &saying("200 OK", &other),
        PATIENT,
        "the content's SHA-256 is",
    );
    let short = gzip(&content("images")[..SIZE - 1]);
    check(
        &saying("200 OK", &short),
        PATIENT,
        "the content has 199999 bytes; 200000 are expected",
    );
    let mut broken = gzip(&content("images"));
    broken[1_000] ^= 0xff;
    check(&saying("200 OK", &broken), PATIENT, "broken after");
    let cut = &gzip(&content("images"))[..SIZE / 2];
    check(&saying("200 OK", cut), PATIENT, "broken after");
}

#[test]
fn a_gzip_bomb_is_unpacked_no_further_than_the_size_that_is_expected() {
    let bomb = gzip(&vec![0; 100 << 20]);
    assert!(bomb.len() > SIZE && bomb.len() < 1 << 20, "{}", bomb.len());
    check(
        &saying("200 OK", &bomb),
        PATIENT,
        "the file can have 201224 at most",
    );
    let bomb = gzip(&vec![0; 30 << 20]);
    assert!(bomb.len() < SIZE, "{}", bomb.len());
    check(
        &saying("200 OK", &bomb),
        PATIENT,
        "the content has more than the 200000 bytes",
    );
}

#[test]
fn endless_bodies_and_absurd_lengths() {
    let endless = Server::start(|_, _, stream| {
        head(stream, "200 OK", "")?;
        stream.write_all(&gzip(b"")[..10])?;
        loop {
            stream.write_all(&[0; 4096])?;
        }
    });
    check(&endless, PATIENT, "the file can have 201224 at most");
    let absurd =
        Server::start(|_, _, stream| head(stream, "200 OK", "Content-Length: 1000000000000\r\n"));
    check(&absurd, PATIENT, "1000000000000 bytes");
}

#[test]
fn connections_that_break_off() {
    let nothing = Server::start(|_, _, _| Ok(()));
    check(&nothing, PATIENT, "closed before the end");
    let half = Server::start(|_, request, stream| {
        let file = wanted(request);
        head(
            stream,
            "200 OK",
            &format!("Content-Length: {}\r\n", file.len()),
        )?;
        stream.write_all(&file[..SIZE / 2])
    });
    check(&half, PATIENT, "closed before the end");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = saying("200 OK", b"");
    server.address = nobody.local_addr().unwrap();
    drop(nobody);
    check(&server, PATIENT, "refused");
}

#[test]
fn answers_that_are_not_http() {
    let server =
        Server::start(|_, _, stream| stream.write_all(b"220 ftp.example.org ready\r\n\r\n"));
    check(&server, PATIENT, "invalid HTTP version");
    let server = Server::start(|_, _, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
        loop {
            stream.write_all(&[b'x'; 4096])?;
        }
    });
    check(&server, PATIENT, "header is too big");
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let server = Server::start(|_, request, stream| {
        let path = request.line.trim_start_matches("GET ");
        head(
            stream,
            "302 Found",
            &format!("Location: {path}\r\nContent-Length: 0\r\n"),
        )
    });
    check(&server, PATIENT, "more than 5 redirects");

    let target = good();
    let address = target.address;
    let server = Server::start(move |_, request, stream| {
        let path = request.line.trim_start_matches("GET ");
        let headers = format!("Location: http://{address}{path}\r\nContent-Length: 0\r\n");
        head(stream, "302 Found", &headers)
    });
    let folder = tempdir().unwrap();
    let (outcome, _) = fetch_with(&[&server], folder.path(), &*FILES, PATIENT, true);
    assert_eq!(outcome, Ok(2));
    assert_complete(folder.path());
}

#[test]
fn silence_before_and_within_an_answer() {
    let silence = || thread::sleep(Duration::from_secs(60));
    let server = Server::start(move |_, _, _| {
        silence();
        Ok(())
    });
    check(&server, IMPATIENT, "no answer for 0.5 s");
    let server = Server::start(move |_, request, stream| {
        serve(request, stream, &wanted(request), 1_000, FAST)?;
        silence();
        Ok(())
    });
    check(&server, IMPATIENT, "no answer for 0.5 s");
}

#[test]
fn a_slow_drip() {
    let drip = (10, Duration::from_millis(50));
    let server = Server::start(move |_, request, stream| {
        serve(request, stream, &wanted(request), SIZE, drip)
    });
    check(&server, IMPATIENT, "too slow");
}

#[test]
fn an_md5_of_the_published_file_admits_no_other_compression() {
    let server = Server::start(|_, _, stream| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&content("labels"))?;
        super::server::answer(stream, "200 OK", &encoder.finish()?)
    });
    let folder = tempdir().unwrap();
    let (outcome, _) = fetch_with(&[&server], folder.path(), &FILES[1..], PATIENT, true);
    let error = outcome.unwrap_err();
    assert!(error.contains("or compressed anew: MD5 is"), "{error}");
    // A digest of the content does: any compression of the right content is right.
    let server = Server::start(|_, _, stream| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&content("images"))?;
        super::server::answer(stream, "200 OK", &encoder.finish()?)
    });
    let (outcome, _) = fetch_with(&[&server], folder.path(), &FILES[..1], PATIENT, true);
    assert_eq!(outcome, Ok(1));
}
