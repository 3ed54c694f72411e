//! Lines in the log that are no commands. Redis passes over every line that begins with `#`, and so does
//! whoever reads its files; this server writes five kinds:
//!
//! ```text
//! #TS:1700000000                     Redis's own: what follows was written in this second
//! #LINEAGE:<40 hex digits, or ->     at the front of a base that is no RDB file: which dataset it is
//! #SYNCED:<16 hex digits>            a group begins; so many bytes of the file were durable when it was written
//! #ID:<40 hex digits, or ->          what follows belongs to the replication history of this id
//! #AT:<offset, or ->:<16 hex digits> the group ends; it brought the history to this offset
//! ```
//! A group is what was handed to the disk at once. `#AT` names the replication offset that the dataset has
//! there, so that nobody ever has to infer one from the log's bytes (the stream of replication holds things
//! that the log does not), and the CRC-64 of the group: of everything from its `#SYNCED` to the second colon
//! of its `#AT`. So damage does not go unnoticed inside a value, and it is known which damage a loss of power
//! may have left: none of it lies before what was durable. Commands between groups were written by others.

use bytes::BytesMut;
use squall_replication::ReplId;
use squall_store::rdb::crc64;

/// What a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Annotation {
    Lineage(Option<ReplId>),
    Synced(u64),
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
        let id_or_none = |id: &[u8]| match id {
            b"-" => Some(None),
            digits => ReplId::parse(digits).map(Some),
        };
        if let Some(id) = line.strip_prefix(b"#ID:") {
            return id_or_none(id).map(Annotation::History);
        }
        if let Some(lineage) = line.strip_prefix(b"#LINEAGE:") {
            // The name of the lineage that it replaced may follow.
            let name = lineage.split(|&byte| byte == b' ').next().unwrap_or_default();
            return id_or_none(name).map(Annotation::Lineage);
        }
        if let Some(bytes) = line.strip_prefix(b"#SYNCED:") {
            return Some(Annotation::Synced(parse_hexadecimal(std::str::from_utf8(bytes).ok()?)?));
        }
        let rest = std::str::from_utf8(line.strip_prefix(b"#AT:")?).ok()?;
        let (offset, checksum) = rest.split_once(':')?;
        let offset = if offset == "-" { None } else { Some(offset.parse().ok()?) };
        Some(Annotation::Offset { offset, checksum: parse_hexadecimal(checksum)? })
    }
}

fn parse_hexadecimal(digits: &str) -> Option<u64> {
    let is_hexadecimal = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)
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

/// Begins a group. How much is durable is said when it ends.
pub(crate) fn begin_group(log: &mut BytesMut) {
    log.extend_from_slice(b"#SYNCED:0000000000000000\r\n");
}

/// Ends the group that begins at `group_start`.
pub(crate) fn end_group(log: &mut BytesMut, group_start: usize, synced_bytes: u64, offset: Option<u64>) {
    let digits = group_start + b"#SYNCED:".len();
    log[digits..digits + 16].copy_from_slice(format!("{synced_bytes:016x}").as_bytes());
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
        begin_group(&mut log);
        put_history(&mut log, Some(id));
        end_group(&mut log, 0, 0x1234, Some(99));
        let second = log.len();
        begin_group(&mut log);
        put_history(&mut log, None);
        end_group(&mut log, second, u64::MAX, None);
        put_timestamp(&mut log, 5);
        let lines: Vec<Annotation> = log[..]
            .split(|&byte| byte == b'\n')
            .map(|line| Annotation::parse(line.trim_ascii_end()))
            .collect();
        assert_eq!(lines[0], Annotation::Synced(0x1234));
        assert_eq!(lines[1], Annotation::History(Some(id)));
        assert!(matches!(lines[2], Annotation::Offset { offset: Some(99), .. }));
        assert_eq!(lines[3], Annotation::Synced(u64::MAX));
        assert_eq!(lines[4], Annotation::History(None));
        assert!(matches!(lines[5], Annotation::Offset { offset: None, .. }));
        assert_eq!(lines[6], Annotation::Other);
    }

    #[test]
    fn what_is_half_right_is_somebody_elses() {
        for line in [
            "#AT:5",
            "#AT:5:12",
            "#AT:x:0123456789abcdef",
            "#ID:",
            "#ID:abc",
            "#",
            "#AT:+5:+123456789abcdef",
            "#SYNCED:5",
        ] {
            assert_eq!(Annotation::parse(line.as_bytes()), Annotation::Other, "{line}");
        }
    }
}
