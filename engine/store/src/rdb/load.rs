//! Loading an RDB file as it comes in: from a disk in blocks, or from a primary in whatever pieces.
//!
//! An item is applied when all its bytes are there; until then nothing but the input's own buffer grows.
//! How long that must be is remembered, so that a long value is not looked at again with each piece.

use super::aux::Aux;
use super::lookahead;
use super::read::{Elements, Reader, Reading, Stop, kind_of};
use super::{CHECKSUM_SINCE, REDIS_VERSION_MAX, RdbError, RdbFault, VALKEY_VERSIONS, crc64, opcode};
use crate::db::Inserted;
use crate::entry::{Kind, Value};
use crate::keyspace::Keyspace;
use crate::recency::{Recency, Use};
use bytes::{Buf, BytesMut};
use squall_clock::UnixMs;

/// How to load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Leave out keys that are expired at this time, as a primary must. A replica keeps them: its primary
    /// says when they go.
    pub drop_expired_at: Option<UnixMs>,
    /// Whether a wrong checksum is an error.
    pub verify_checksum: bool,
    /// As what the file's words of use are kept.
    pub recency: Recency,
}

/// Reads one file into a keyspace.
pub struct Loader {
    options: LoadOptions,
    state: State,
    version: u16,
    db: usize,
    /// The expiry time that was read for the next pair.
    expire_at: Option<UnixMs>,
    /// What was said of its use.
    told: Option<Use>,
    /// The pair that is being read element by element.
    begun: Option<BegunPair>,
    loaded: Loaded,
    /// How many bytes have been consumed, and their checksum.
    offset: u64,
    crc: u64,
    /// The input must be this long before another attempt makes sense.
    wish_bytes: usize,
}

/// A pair whose value is too large to wait for all of it.
struct BegunPair {
    key: Vec<u8>,
    expire_at: Option<UnixMs>,
    told: Option<Use>,
    elements: Box<dyn Elements>,
}

/// What the loader expects next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Magic,
    Items,
    Checksum,
    Done,
}

/// Where loading stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loading {
    NeedMore,
    /// The file is complete. What follows it is still in the input.
    Done(Loaded),
}

/// What a complete file held.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    pub aux: Aux,
    pub keys: u64,
    /// How many more keys were left out because they had expired.
    pub expired_keys: u64,
    /// How many were left out because they held nothing.
    pub empty_keys: u64,
}

impl Loader {
    pub fn new(options: LoadOptions) -> Loader {
        Loader {
            options,
            state: State::Magic,
            version: 0,
            db: 0,
            expire_at: None,
            told: None,
            begun: None,
            loaded: Loaded::default(),
            offset: 0,
            crc: 0,
            wish_bytes: 0,
        }
    }

    /// Consumes what is complete in `input`. After an error the loader and the keyspace's content are of no use.
    pub fn feed(&mut self, input: &mut BytesMut, keyspace: &mut Keyspace) -> Result<Loading, RdbError> {
        if input.len() < self.wish_bytes {
            return Ok(Loading::NeedMore);
        }
        let mut consumed = 0;
        // The checksum covers everything before itself; it is computed over many items at once.
        let mut summed = 0;
        let mut warmed = 0;
        let stop = loop {
            if self.state == State::Checksum {
                self.crc = crc64(self.crc, &input[summed..consumed]);
                summed = consumed;
            }
            if self.state == State::Items && self.begun.is_none() && consumed >= warmed {
                warmed = consumed.saturating_add(lookahead::warm(keyspace.db(self.db), &input[consumed..]));
            }
            let mut reader = Reader::of(&input[consumed..]).valkeys(VALKEY_VERSIONS.contains(&self.version));
            let item = self.item(&mut reader, keyspace);
            match item {
                Ok(()) => {
                    consumed += reader.position();
                    self.offset += reader.position() as u64;
                    if self.state == State::Checksum && self.version < CHECKSUM_SINCE {
                        self.state = State::Done;
                    }
                    if self.state == State::Done {
                        break None;
                    }
                }
                Err(stop) => break Some(stop),
            }
        };
        if self.state != State::Done {
            self.crc = crc64(self.crc, &input[summed..consumed]);
        }
        input.advance(consumed);
        match stop {
            None => Ok(Loading::Done(std::mem::take(&mut self.loaded))),
            Some(Stop::Need(bytes)) => {
                self.wish_bytes = bytes;
                Ok(Loading::NeedMore)
            }
            Some(Stop::Bad(what)) => Err(RdbError { offset: self.offset, what }),
        }
    }

    /// How long the input must be before [`Loader::feed`] can go on.
    pub fn wish_bytes(&self) -> usize {
        self.wish_bytes
    }

    /// What has been read so far, until the file is complete.
    pub fn so_far(&self) -> &Loaded {
        &self.loaded
    }

    /// How many bytes of the file have been consumed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The error that it is if nothing more comes.
    pub fn truncated(&self) -> RdbError {
        RdbError { offset: self.offset, what: RdbFault::Truncated }
    }

    /// Reads and applies one item.
    fn item(&mut self, reader: &mut Reader<'_>, keyspace: &mut Keyspace) -> Result<(), Stop> {
        match self.state {
            State::Magic => self.magic(reader),
            State::Items if self.begun.is_some() => self.element(reader, keyspace),
            State::Items => {
                let byte = reader.byte()?;
                match byte < opcode::FIRST {
                    true => self.pair(byte, reader, keyspace),
                    false => self.opcode(byte, reader, keyspace),
                }
            }
            State::Checksum => self.checksum(reader),
            State::Done => panic!("the file was complete"),
        }
    }

    fn magic(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let magic = reader.array::<9>()?;
        let (digits, valkey) = match &magic {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (&digits[..], false),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (&digits[..], true),
            _ => return Err(RdbFault::Magic.into()),
        };
        let digits = std::str::from_utf8(digits).map_err(|_| RdbFault::Magic)?;
        self.version = digits.parse().map_err(|_| RdbFault::Magic)?;
        let known = match valkey {
            true => VALKEY_VERSIONS.contains(&self.version),
            false => (1..=REDIS_VERSION_MAX).contains(&self.version),
        };
        if !known {
            return Err(RdbFault::Version(self.version).into());
        }
        self.state = State::Items;
        Ok(())
    }

    fn opcode(&mut self, code: u8, reader: &mut Reader<'_>, keyspace: &mut Keyspace) -> Result<(), Stop> {
        match code {
            opcode::END => self.state = State::Checksum,
            opcode::SELECT => {
                let number = reader.length()?;
                match usize::try_from(number) {
                    Ok(db) if db < keyspace.databases() => self.db = db,
                    _ => return Err(RdbFault::Database(number).into()),
                }
            }
            opcode::RESIZE => {
                let (keys, _volatile) = (reader.length()?, reader.length()?);
                keyspace.db_mut(self.db).expect_keys(keys);
            }
            opcode::SLOT_INFO => drop((reader.length()?, reader.length()?, reader.length()?)),
            opcode::EXPIRY_MS => {
                let at = i64::from_le_bytes(reader.array()?);
                self.expire_at = Some(UnixMs(at.max(0) as u64));
            }
            opcode::EXPIRY_S => {
                let at = i32::from_le_bytes(reader.array()?);
                self.expire_at = Some(UnixMs(at.max(0) as u64 * 1000));
            }
            opcode::IDLE => self.told = Some(Use::IdleSeconds(reader.length()?)),
            opcode::FREQUENCY => self.told = Some(Use::Frequency(reader.byte()?)),
            opcode::AUX => {
                let (name, value) = (reader.string()?, reader.string()?);
                let (mut name_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
                self.loaded.aux.note(name.as_bytes(&mut name_digits), value.as_bytes(&mut value_digits));
            }
            opcode::MODULE_AUX => reader.skip_module_aux()?,
            opcode::FUNCTION => self.loaded.aux.functions.push(reader.string()?.into_bytes()),
            opcode::FUNCTION_PRE_RELEASE => {
                return Err(RdbFault::UnsupportedType("function (pre-release)").into());
            }
            other => return Err(RdbFault::UnknownType(other).into()),
        }
        Ok(())
    }

    fn pair(&mut self, type_byte: u8, reader: &mut Reader<'_>, keyspace: &mut Keyspace) -> Result<(), Stop> {
        let kind = kind_of(type_byte)?;
        let key = reader.string()?;
        let mut key_digits = itoa::Buffer::new();
        let key = key.as_bytes(&mut key_digits);
        if kind != Kind::String {
            let reading = reader.begin_value(type_byte, keyspace.limits())?;
            let expire_at = self.expire_at.take();
            match reading {
                Reading::Whole(value) => return self.store(key, value, expire_at, keyspace),
                Reading::Elements(elements) => {
                    let told = self.told.take();
                    self.begun = Some(BegunPair { key: key.to_vec(), expire_at, told, elements });
                    return Ok(());
                }
            }
        }
        let value = reader.string()?;
        let expire_at = self.expire_at.take();
        if value.is_long() || self.leaves_out(expire_at) {
            return self.store(key, value.into_value(), expire_at, keyspace);
        }
        // Straight into the entry.
        let bytes = &mut itoa::Buffer::new();
        let inserted = keyspace.db_mut(self.db).set_string(key, value.as_bytes(bytes), expire_at);
        self.count(inserted, key, keyspace)
    }

    /// Reads the next element of the pair that was begun.
    fn element(&mut self, reader: &mut Reader<'_>, keyspace: &mut Keyspace) -> Result<(), Stop> {
        let begun = self.begun.as_mut().expect("the caller has looked");
        match begun.elements.read_next(reader, keyspace.limits())? {
            None => Ok(()),
            Some(value) => {
                let BegunPair { key, expire_at, told, .. } = self.begun.take().expect("it was there above");
                self.told = told;
                self.store(&key, value, expire_at, keyspace)
            }
        }
    }

    fn store(
        &mut self,
        key: &[u8],
        value: Value,
        expire_at: Option<UnixMs>,
        keyspace: &mut Keyspace,
    ) -> Result<(), Stop> {
        if self.leaves_out(expire_at) {
            self.told = None;
            self.loaded.expired_keys += 1;
            return Ok(());
        }
        // Old servers have written such keys; no command would have left one.
        if value.is_empty_collection() {
            self.told = None;
            self.loaded.empty_keys += 1;
            return Ok(());
        }
        let inserted = keyspace.db_mut(self.db).insert(key, value, expire_at);
        self.count(inserted, key, keyspace)
    }

    fn leaves_out(&self, expire_at: Option<UnixMs>) -> bool {
        expire_at.zip(self.options.drop_expired_at).is_some_and(|(at, now)| at <= now)
    }

    /// A pair is stored: what was said of its use becomes its access word.
    fn count(&mut self, inserted: Inserted, key: &[u8], keyspace: &Keyspace) -> Result<(), Stop> {
        match inserted {
            Inserted::Created => {
                let access = self.told.take().and_then(|told| self.options.recency.access(told));
                if let Some(access) = access
                    && let Some(entry) = keyspace.db(self.db).lookup(key)
                {
                    entry.touch(access);
                }
                self.loaded.keys += 1;
                Ok(())
            }
            Inserted::Replaced(_) => Err(RdbFault::DuplicateKey.into()),
        }
    }

    fn checksum(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let stored = u64::from_le_bytes(reader.array()?);
        if self.options.verify_checksum && stored != 0 && stored != self.crc {
            return Err(RdbFault::Checksum { computed: self.crc, stored }.into());
        }
        self.state = State::Done;
        Ok(())
    }
}
