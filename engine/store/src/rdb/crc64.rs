//! CRC-64 with the polynomial that RDB files and DUMP payloads use (the Jones polynomial, reflected,
//! starting from zero and not inverted). Eight bytes a step, by eight tables.

/// The polynomial 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

const TABLES: [[u64; 256]; 8] = tables();

/// Continues `crc` over `bytes`; zero starts one.
pub fn crc64(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = 0;
        // Table 7 continues over the seven bytes that follow the first one, and so on.
        for (lane, &byte) in mixed.iter().enumerate() {
            crc ^= TABLES[7 - lane][usize::from(byte)];
        }
    }
    for &byte in rest {
        crc = step(crc ^ u64::from(byte));
    }
    crc
}

/// Eight bits further.
const fn step(crc: u64) -> u64 {
    TABLES[0][(crc & 0xff) as usize] ^ crc >> 8
}

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut lane = 1;
    while lane < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u64 = tables[lane - 1][byte];
            tables[lane][byte] = tables[0][(before & 0xff) as usize] ^ before >> 8;
            byte += 1;
        }
        lane += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gives_the_catalogued_check_value() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    proptest! {
        #[test]
        fn may_be_computed_in_pieces(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (front, back) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(crc64(crc64(0, front), back), crc64(0, &bytes));
        }

        #[test]
        fn is_what_the_bits_say(bytes: Vec<u8>) {
            let bitwise = bytes.iter().fold(0u64, |crc, &byte| {
                (0..8).fold(crc ^ u64::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ POLYNOMIAL } else { c >> 1 })
            });
            prop_assert_eq!(crc64(0, &bytes), bitwise);
        }
    }
}
