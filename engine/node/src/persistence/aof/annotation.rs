//! Lines in the log that are no commands. Redis passes over every line that begins with `#`, and so does
//! whoever reads its files; this server writes four kinds:
//!
//! ```text
//! #TS:1700000000                     Redis's own: what follows was written in this second
//! #LINEAGE:<40 hex digits>           at the front of a base that is no RDB file: which dataset it is
//! #ID:<40 hex digits, or ->          what follows belongs to the replication history of this id
//! #AT:<offset, or ->:<16 hex digits> what came before brought the history to this offset
//! ```
//! `#AT` ends each group of commands that was handed to the disk at once. It names the replication offset
//! that the dataset has there, so that nobody ever has to infer one from the log's bytes (the stream of
//! replication holds things that the log does not), and the CRC-64 of the group: of everything from the last
//! `#AT` line, or from the beginning of the last `#ID` line, to its own second colon. So damage is told from
//! a torn end, and does not go unnoticed inside a value.

use bytes::BytesMut;
use squall_replication::ReplId;
use squall_store::rdb::crc64;

/// What a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Annotation {
    Lineage(ReplId),
    History(Option<ReplId>),
    Offset {
        offset: Option<u64>,
        checksum: u64,
    },
    /// For others, or for nobody.
    Other,
}

/// No line is longer.
pub(crate) const LINE_BYTES_MAX: usize = 1024;

impl Annotation {
    /// Reads a line, without its end.
    pub fn parse(line: &[u8]) -> Annotation {
        Annotation::parse_own(line).unwrap_or(Annotation::Other)
    }

    fn parse_own(line: &[u8]) -> Option<Annotation> {
        if let Some(id) = line.strip_prefix(b"#ID:") {
            let id = if id == b"-" { None } else { Some(ReplId::parse(id)?) };
            return Some(Annotation::History(id));
        }
        if let Some(lineage) = line.strip_prefix(b"#LINEAGE:") {
            return Some(Annotation::Lineage(ReplId::parse(lineage)?));
        }
        let rest = std::str::from_utf8(line.strip_prefix(b"#AT:")?).ok()?;
        let (offset, checksum) = rest.split_once(':')?;
        let offset = if offset == "-" { None } else { Some(offset.parse().ok()?) };
        let is_hexadecimal = checksum.len() == 16 && checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
        let checksum = u64::from_str_radix(checksum, 16).ok().filter(|_| is_hexadecimal)?;
        Some(Annotation::Offset { offset, checksum })
    }
}

/// How much of an `#AT` line the checksum in it covers.
pub(crate) fn checked_len(line: &[u8]) -> usize {
    line.iter().rposition(|&byte| byte == b':').map_or(0, |colon| colon + 1)
}

pub(crate) fn put_timestamp(log: &mut BytesMut, unix_seconds: u64) {
    log.extend_from_slice(format!("#TS:{unix_seconds}\r\n").as_bytes());
}

pub(crate) fn put_lineage(log: &mut BytesMut, lineage: &str) {
    log.extend_from_slice(format!("#LINEAGE:{lineage}\r\n").as_bytes());
}

pub(crate) fn put_history(log: &mut BytesMut, id: Option<ReplId>) {
    match id {
        Some(id) => log.extend_from_slice(format!("#ID:{id}\r\n").as_bytes()),
        None => log.extend_from_slice(b"#ID:-\r\n"),
    }
}

/// Ends the group that begins at `group_start`.
pub(crate) fn put_offset(log: &mut BytesMut, group_start: usize, offset: Option<u64>) {
    match offset {
        Some(offset) => log.extend_from_slice(format!("#AT:{offset}:").as_bytes()),
        None => log.extend_from_slice(b"#AT:-:"),
    }
    let checksum = crc64(0, &log[group_start..]);
    log.extend_from_slice(format!("{checksum:016x}\r\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_parsed() {
        let id = ReplId::from_random([7; 20]);
        let mut log = BytesMut::new();
        put_history(&mut log, Some(id));
        put_offset(&mut log, 0, Some(99));
        put_history(&mut log, None);
        put_offset(&mut log, 0, None);
        put_timestamp(&mut log, 5);
        let lines: Vec<Annotation> = log[..]
            .split(|&byte| byte == b'\n')
            .map(|line| Annotation::parse(line.trim_ascii_end()))
            .collect();
        assert_eq!(lines[0], Annotation::History(Some(id)));
        assert!(matches!(lines[1], Annotation::Offset { offset: Some(99), .. }));
        assert_eq!(lines[2], Annotation::History(None));
        assert!(matches!(lines[3], Annotation::Offset { offset: None, .. }));
        assert_eq!(lines[4], Annotation::Other);
    }

    #[test]
    fn what_is_half_right_is_somebody_elses() {
        for line in
            ["#AT:5", "#AT:5:12", "#AT:x:0123456789abcdef", "#ID:", "#ID:abc", "#", "#AT:+5:+123456789abcdef"]
        {
            assert_eq!(Annotation::parse(line.as_bytes()), Annotation::Other, "{line}");
        }
    }
}
