//! What is there already does not come again, and never does harm.

use std::fs;

use tempfile::tempdir;

use super::sample::{FAST, FILES, PATIENT, SIZE, assert_complete, fetch, fetch_with, wanted};
use super::server::{Request, Server, TAG, answer, serve};

const HALF: usize = SIZE / 2;

/// Breaks off after half of the first answer; what comes after is for `later` to say.
fn half_then<F>(later: F) -> Server
where
    F: Fn(&Request, &mut std::net::TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
{
    Server::start(move |number, request, stream| {
        if number == 0 {
            serve(request, stream, &wanted(request), HALF, FAST)
        } else {
            later(request, stream)
        }
    })
}

fn all(request: &Request, stream: &mut std::net::TcpStream) -> std::io::Result<()> {
    serve(request, stream, &wanted(request), SIZE * 2, FAST)
}

#[test]
fn a_connection_that_breaks_off_is_made_again_for_the_rest() {
    let server = half_then(all);
    let folder = tempdir().unwrap();
    let (outcome, events) = fetch_with(&[&server], folder.path(), &*FILES, PATIENT, true);
    assert_eq!(outcome, Ok(2));
    assert_complete(folder.path());
    let requests = server.requests();
    assert_eq!(
        requests.len(),
        3,
        "two for the first file, one for the second"
    );
    assert_eq!(requests[1].range, Some(HALF));
    assert_eq!(requests[1].if_range.as_deref(), Some(TAG));
    let resumed = format!("start: {HALF}");
    assert!(
        events.iter().any(|event| event.contains(&resumed)),
        "{events:?}"
    );
}

#[test]
fn a_server_that_knows_no_ranges_is_read_from_the_beginning() {
    let server = half_then(|request, stream| answer(stream, "200 OK", &wanted(request)));
    let folder = tempdir().unwrap();
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
    assert_eq!(server.requests()[1].range, Some(HALF));
}

#[test]
fn a_file_that_has_changed_meanwhile_is_read_from_the_beginning() {
    let server = half_then(|request, stream| {
        // The tag that the client knows is no longer the right one.
        let mut request = request.clone();
        request.if_range = request.if_range.map(|tag| tag.replace("v1", "v0"));
        all(&request, stream)
    });
    let folder = tempdir().unwrap();
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
}

#[test]
fn a_server_that_sends_another_range_is_read_from_the_beginning() {
    let server = half_then(|request, stream| {
        let mut request = request.clone();
        request.range = request.range.map(|first| first - 1);
        all(&request, stream)
    });
    let folder = tempdir().unwrap();
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
}

#[test]
fn a_later_fetch_goes_on_where_an_earlier_one_stopped() {
    let server = half_then_503_then_all();
    let folder = tempdir().unwrap();
    let error = fetch(&[&server], folder.path()).unwrap_err();
    assert!(error.contains("HTTP 503"), "{error}");
    assert!(!folder.path().join("images.gz").exists());
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_eq!(server.requests()[2].range, Some(HALF));
    assert_complete(folder.path());
}

/// A folder in which half of the first file is there, from `server`.
fn interrupted(server: &Server) -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    fetch(&[server], folder.path()).unwrap_err();
    folder
}

fn half_then_503_then_all() -> Server {
    Server::start(|number, request, stream| match number {
        0 => serve(request, stream, &wanted(request), HALF, FAST),
        1 => answer(stream, "503 Service Unavailable", b""),
        _ => all(request, stream),
    })
}

#[test]
fn damaged_bytes_of_an_earlier_time_are_found_and_fetched_anew() {
    let server = half_then_503_then_all();
    let folder = interrupted(&server);
    let partial = folder.path().join(".images.gz.partial");
    let mut bytes = fs::read(&partial).unwrap();
    bytes[HALF / 2..].fill(0);
    fs::write(&partial, bytes).unwrap();
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
    let ranges: Vec<_> = server.requests()[2..4].iter().map(|r| r.range).collect();
    assert_eq!(ranges, [Some(HALF), None]);
}

#[test]
fn a_whole_file_without_its_name_only_gets_its_name() {
    let server = half_then_503_then_all();
    let folder = interrupted(&server);
    let request = &server.requests()[0];
    fs::write(folder.path().join(".images.gz.partial"), wanted(request)).unwrap();
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
    let requests = server.requests();
    assert_eq!(requests[2].range, Some(wanted(request).len()));
    assert!(requests[3].line.ends_with("labels.gz"), "{requests:?}");
}

#[test]
fn too_many_bytes_of_an_earlier_time_are_found_and_fetched_anew() {
    let server = half_then_503_then_all();
    let folder = interrupted(&server);
    fs::write(folder.path().join(".images.gz.partial"), vec![0; SIZE * 2]).unwrap();
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
}
