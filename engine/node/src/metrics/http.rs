//! As much of HTTP/1.1 ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)) as one page needs: GET and HEAD
//! without a body, connections that are kept, and a plain answer to everything else.

use bytes::{Buf, Bytes, BytesMut};

/// The longest request that is read: line and headers.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wants {
    Metrics,
    /// Any other page.
    Unknown,
    /// Another method than GET and HEAD.
    Forbidden,
    /// Not HTTP, or more of it than is read.
    Nonsense,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Request {
    pub wants: Wants,
    pub head_only: bool,
    /// Another request may follow.
    pub keep: bool,
}

impl Request {
    const NONSENSE: Request = Request { wants: Wants::Nonsense, head_only: false, keep: false };
}

/// Takes a request from `input` when it is whole. What is not understood takes all of it.
pub(super) fn read(input: &mut BytesMut) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(input) {
        Ok(httparse::Status::Complete(length)) if length <= REQUEST_BYTES_MAX => {
            let request = understood(&parsed);
            input.advance(length);
            // A body is not read, so nothing that follows it could be understood.
            let keep = request.keep && input.is_empty();
            input.clear();
            Some(Request { keep, ..request })
        }
        Ok(httparse::Status::Partial) if input.len() <= REQUEST_BYTES_MAX => None,
        _ => {
            input.clear();
            Some(Request::NONSENSE)
        }
    }
}

fn understood(parsed: &httparse::Request<'_, '_>) -> Request {
    let method = parsed.method.unwrap_or_default();
    let path = parsed.path.unwrap_or_default().split('?').next().unwrap_or_default();
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).to_ascii_lowercase())
    };
    let connection = header("connection").unwrap_or_default();
    let newer = parsed.version == Some(1);
    let has_body = header("content-length").is_some_and(|length| length.trim() != "0")
        || header("transfer-encoding").is_some();
    let wants = match (method, path) {
        ("GET" | "HEAD", "/metrics") => Wants::Metrics,
        ("GET" | "HEAD", _) => Wants::Unknown,
        _ => Wants::Forbidden,
    };
    let keep = match newer {
        true => !connection.contains("close"),
        false => connection.contains("keep-alive"),
    };
    Request { wants, head_only: method == "HEAD", keep: keep && !has_body }
}

/// The answer to `request`; `page` is what it wants.
pub(super) fn answer(request: &Request, page: String) -> Bytes {
    let (status, kind, body) = match request.wants {
        Wants::Metrics => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", page),
        Wants::Unknown => ("404 Not Found", "text/plain", "The metrics are at /metrics.\n".to_owned()),
        Wants::Forbidden => ("405 Method Not Allowed", "text/plain", "GET and HEAD only.\n".to_owned()),
        Wants::Nonsense => ("400 Bad Request", "text/plain", "This is not a request.\n".to_owned()),
    };
    let connection = if request.keep { "keep-alive" } else { "close" };
    let allow = if request.wants == Wants::Forbidden { "Allow: GET, HEAD\r\n" } else { "" };
    let mut text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: {connection}\r\n{allow}\r\n",
        body.len()
    );
    if !request.head_only {
        text.push_str(&body);
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Option<Request> {
        read(&mut BytesMut::from(text.as_bytes()))
    }

    #[test]
    fn requests_are_read_when_they_are_whole() {
        let whole = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 1..whole.len() {
            assert_eq!(read_text(&whole[..end]), None, "{end}");
        }
        let request = read_text(whole).expect("whole");
        assert_eq!(request, Request { wants: Wants::Metrics, head_only: false, keep: true });
        let head = read_text("HEAD / HTTP/1.0\r\n\r\n").expect("whole");
        assert_eq!(head, Request { wants: Wants::Unknown, head_only: true, keep: false });
        let post = read_text("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").expect("whole");
        assert_eq!(post, Request { wants: Wants::Forbidden, head_only: false, keep: false });
    }

    #[test]
    fn nonsense_and_excess_are_answered_and_end_the_connection() {
        assert_eq!(read_text("\u{0}\u{1}\r\n\r\n"), Some(Request::NONSENSE));
        let endless = format!("GET /{} HTTP/1.1\r\n", "a".repeat(REQUEST_BYTES_MAX));
        assert_eq!(read_text(&endless), Some(Request::NONSENSE));
        let headers = "A: b\r\n".repeat(HEADERS_MAX + 1);
        assert_eq!(read_text(&format!("GET / HTTP/1.1\r\n{headers}\r\n")), Some(Request::NONSENSE));
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let request = Request { wants: Wants::Metrics, head_only: false, keep: true };
        let text = answer(&request, "redis_up 1\n".to_owned());
        assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n") && text.ends_with(b"\r\n\r\nredis_up 1\n"));
        assert!(text.windows(18).any(|part| part == b"Content-Length: 11"));
        let head = answer(&Request { head_only: true, ..request }, "redis_up 1\n".to_owned());
        assert!(head.ends_with(b"\r\n\r\n"));
    }
}
