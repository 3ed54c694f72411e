//! One key with its value in one heap block behind a thin pointer. All `unsafe` code of the server is here.
//!
//! ```text
//! 0      1       2          4          8         12          (20)       20 + key
//! | kind | bits | value_len | access  | key_len | expire_at? | key ... | value ...  (padding to 16)
//!    u8     u8      u16        u32       u32      u64, LE                bytes, an i64, or (aligned) a Value
//! ```
//! `bits`: the low four say what the value area holds ([`Form`]), the highest whether `expire_at` is there.
//!
//! Invariants, which every function here may rely on and must restore:
//! 1. `start` came from `alloc` with the layout that [`Entry::layout`] derives from the header, and this
//!    `Entry` alone owns it.
//! 2. Header, expiry, key and value are initialised; the padding behind the value, and between the key and an
//!    aligned value, is never read.
//! 3. With `Form::Rich` the value area lies at a multiple of eight and holds a [`Value`] that this entry owns.
//! 4. The access word is only read and written through [`Cell`], so `touch` through `&Entry` is sound;
//!    no other byte changes while a shared reference exists.
#![allow(unsafe_code)]

use super::{Kind, Value};
use squall_clock::UnixMs;
use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ptr::NonNull;

/// The longest value that is kept in the entry's own block. Longer ones are kept apart, where a reply
/// can share them without a copy.
pub const INLINE_BYTES_MAX: usize = 16 * 1024;

/// Blocks are a multiple of this, so that a value may change its length a little in place. It's also
/// the spacing of the allocator's small size classes.
const BLOCK_STEP_BYTES: usize = 16;
const BLOCK_ALIGN: usize = 8;

const HEADER_BYTES: usize = size_of::<Header>();
const EXPIRY_BYTES: usize = 8;
const HAS_EXPIRY: u8 = 0x80;

#[repr(C)]
struct Header {
    kind: Kind,
    bits: u8,
    value_len: u16,
    access: Cell<u32>,
    key_len: u32,
}

const _: () = assert!(HEADER_BYTES == 12 && INLINE_BYTES_MAX <= u16::MAX as usize);
// With an expiry time all that follows lies eight bytes further on, and is as aligned as before.
const _: () = assert!(align_of::<Value>() == BLOCK_ALIGN && EXPIRY_BYTES.is_multiple_of(BLOCK_ALIGN));

/// What the value area of a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Form {
    /// Eight bytes: a string that is an integer.
    Int,
    /// The bytes of a string.
    Text,
    /// A [`Value`], which owns what it holds elsewhere.
    Rich,
}

/// The value of an entry, as it is kept.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    Int(i64),
    Text(&'a [u8]),
    Rich(&'a Value),
}

/// What to put into the value area.
pub(crate) enum Content<'a> {
    Int(i64),
    /// At most [`INLINE_BYTES_MAX`] long.
    Text(&'a [u8]),
    Rich(Value),
}

/// One key with its value, expiry time and access word.
pub struct Entry {
    start: NonNull<u8>,
}

// SAFETY: the entry owns everything it points to, and `Value` is `Send`; the `Cell` in the header is
// reached through this entry only.
unsafe impl Send for Entry {}
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Value>();
};

impl Entry {
    pub(crate) fn create(key: &[u8], content: Content<'_>, expire_at: Option<UnixMs>) -> Entry {
        let (kind, form, value_len) = content.shape();
        let key_len = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        let bits = form as u8 | if expire_at.is_some() { HAS_EXPIRY } else { 0 };
        let header = Header { kind, bits, value_len, access: Cell::new(0), key_len };
        let layout = block_layout(&header);
        // SAFETY: the layout is never empty. The writes below stay inside it: header, expiry, key and
        // value lie one after the other and `block_layout` is at least their sum. Together they
        // initialise all four parts (invariant 2).
        unsafe {
            let start =
                NonNull::new(alloc::alloc(layout)).unwrap_or_else(|| alloc::handle_alloc_error(layout));
            start.cast::<Header>().write(header);
            let mut entry = Entry { start };
            if let Some(at) = expire_at {
                entry.write_expiry(at);
            }
            let key_at = entry.start.add(entry.key_offset());
            key_at.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            entry.write_content(content);
            entry
        }
    }

    pub fn key(&self) -> &[u8] {
        // SAFETY: the key lies at `key_offset` and is `key_len` initialised bytes (invariant 2), which
        // do not change while `self` is borrowed (invariant 4).
        unsafe {
            let at = self.start.add(self.key_offset());
            std::slice::from_raw_parts(at.as_ptr(), self.header().key_len as usize)
        }
    }

    pub fn kind(&self) -> Kind {
        self.header().kind
    }

    /// When the entry expires, if it ever does.
    pub fn expire_at(&self) -> Option<UnixMs> {
        if self.header().bits & HAS_EXPIRY == 0 {
            return None;
        }
        // SAFETY: the bit says that the eight bytes after the header are an initialised expiry time.
        let bytes = unsafe { self.start.add(HEADER_BYTES).cast::<[u8; EXPIRY_BYTES]>().read() };
        Some(UnixMs(u64::from_le_bytes(bytes)))
    }

    /// The word that eviction keeps about the entry's use; the store gives it no meaning.
    pub fn access(&self) -> u32 {
        self.header().access.get()
    }

    /// Sets the access word. Not a write to the entry: it needs no exclusive borrow and no snapshot notices.
    pub fn touch(&self, access: u32) {
        self.header().access.set(access);
    }

    /// Where the block is: for nothing but to have read its pointer.
    pub(crate) fn address(&self) -> usize {
        self.start.addr().get()
    }

    pub(crate) fn body(&self) -> Body<'_> {
        let at = self.value_at();
        // SAFETY: by invariants 2 and 3 the value area holds what its form says.
        unsafe {
            match self.form() {
                Form::Int => Body::Int(i64::from_le_bytes(at.cast::<[u8; 8]>().read())),
                Form::Text => Body::Text(std::slice::from_raw_parts(at.as_ptr(), self.value_len())),
                Form::Rich => Body::Rich(at.cast::<Value>().as_ref()),
            }
        }
    }

    /// The value, unless it is a small string.
    pub(crate) fn rich(&self) -> Option<&Value> {
        // SAFETY: invariant 3.
        (self.form() == Form::Rich).then(|| unsafe { self.value_at().cast::<Value>().as_ref() })
    }

    /// The value, unless it is a small string, to be changed.
    pub(crate) fn rich_mut(&mut self) -> Option<&mut Value> {
        // SAFETY: invariant 3; the borrow of the value is as exclusive as that of `self`.
        (self.form() == Form::Rich).then(|| unsafe { self.value_at().cast::<Value>().as_mut() })
    }

    /// Replaces the value in place, if both the old and the new one are small strings and the block fits both.
    /// Otherwise changes nothing and gives the content back.
    #[inline]
    pub(crate) fn overwrite<'c>(&mut self, content: Content<'c>) -> Result<(), Content<'c>> {
        let (kind, form, value_len) = content.shape();
        let before = self.header();
        if form == Form::Rich || self.form() == Form::Rich {
            return Err(content);
        }
        if block_bytes(before, form, usize::from(value_len)) != self.block_bytes() {
            return Err(content);
        }
        let header = self.header_mut();
        header.kind = kind;
        header.bits = header.bits & HAS_EXPIRY | form as u8;
        header.value_len = value_len;
        // SAFETY: the header describes the content now, the block has its size, and the old value was a small
        // string, so the area owns nothing.
        unsafe { self.write_content(content) };
        Ok(())
    }

    /// Replaces the value. Key, expiry and access word stay. The block is kept when the value's size
    /// hardly changes. Gives back the old value unless it was a small string, so that the caller may free it at
    /// leisure.
    #[inline]
    pub(crate) fn set_content(&mut self, content: Content<'_>) -> Option<Value> {
        let old = self.take_rich();
        let (kind, form, value_len) = content.shape();
        let before = self.layout();
        let header = self.header_mut();
        header.kind = kind;
        header.bits = header.bits & HAS_EXPIRY | form as u8;
        header.value_len = value_len;
        let after = self.layout();
        // SAFETY: `before` is the block's layout (invariant 1), and `resize` makes it `after`, which the
        // header now describes. A rich value is no longer owned here, and `write_content`
        // initialises the value area in its new form (invariants 2 and 3).
        unsafe {
            self.resize(before, after);
            self.write_content(content);
        }
        old
    }

    /// Sets or clears the expiry time. Setting one where there was one changes it in place.
    pub(crate) fn set_expire_at(&mut self, expire_at: Option<UnixMs>) {
        let had = self.header().bits & HAS_EXPIRY != 0;
        if had != expire_at.is_some() {
            let before = self.layout();
            let from = self.key_offset();
            let moved = value_offset(self.header(), self.form()) + self.value_len() - from;
            self.header_mut().bits ^= HAS_EXPIRY;
            let (to, after) = (self.key_offset(), self.layout());
            // SAFETY: key and value are `moved` bytes that go from `from` to `to`. A growing block is
            // resized before they move and a shrinking one after, so both ranges lie inside the block
            // at the time of the move. `write_expiry` below fills a gap that opened.
            unsafe {
                if to > from {
                    self.resize(before, after);
                    self.start.add(from).copy_to(self.start.add(to), moved);
                } else {
                    self.start.add(from).copy_to(self.start.add(to), moved);
                    self.resize(before, after);
                }
            }
        }
        if let Some(at) = expire_at {
            // SAFETY: the header says there is room for an expiry time after it.
            unsafe { self.write_expiry(at) };
        }
    }

    /// Gives the value away, unless it is a small string.
    pub(crate) fn into_rich(mut self) -> Option<Value> {
        self.take_rich()
    }

    /// The size of the block, without what its value holds elsewhere.
    pub(crate) fn block_bytes(&self) -> usize {
        block_bytes(self.header(), self.form(), self.value_len())
    }

    /// Takes a rich value out and leaves a string of zeros in its place, which ends where the value did.
    fn take_rich(&mut self) -> Option<Value> {
        if self.form() != Form::Rich {
            return None;
        }
        let (at, gap) = (self.value_at(), value_offset(self.header(), Form::Rich) - self.key_end());
        let left = gap + size_of::<Value>();
        // SAFETY: by invariant 3 there is a value that this entry owns. The area is at once overwritten by zeros,
        // from the end of the key to the end of the value, so that nobody owns it twice and all of the string
        // that the header is about to describe is initialised. The block's size stays what it was.
        let value = unsafe {
            let value = at.cast::<Value>().read();
            at.sub(gap).write_bytes(0, left);
            value
        };
        let header = self.header_mut();
        header.kind = Kind::String;
        header.bits = header.bits & HAS_EXPIRY | Form::Text as u8;
        header.value_len = left as u16;
        Some(value)
    }

    fn header(&self) -> &Header {
        // SAFETY: every block starts with an initialised, aligned header (invariants 1 and 2).
        unsafe { self.start.cast::<Header>().as_ref() }
    }

    fn header_mut(&mut self) -> &mut Header {
        // SAFETY: as in `header`; `self` is borrowed exclusively.
        unsafe { self.start.cast::<Header>().as_mut() }
    }

    fn form(&self) -> Form {
        form_of(self.header())
    }

    fn value_len(&self) -> usize {
        usize::from(self.header().value_len)
    }

    fn key_offset(&self) -> usize {
        key_offset(self.header())
    }

    fn key_end(&self) -> usize {
        self.key_offset() + self.header().key_len as usize
    }

    fn value_at(&self) -> NonNull<u8> {
        // SAFETY: the value area lies inside the block, after the key.
        unsafe { self.start.add(value_offset(self.header(), self.form())) }
    }

    fn layout(&self) -> Layout {
        block_layout(self.header())
    }

    /// # Safety
    /// `before` must be the layout of the block. Afterwards its layout is `after`, and the bytes that
    /// both have in common are as they were.
    unsafe fn resize(&mut self, before: Layout, after: Layout) {
        if before == after {
            return;
        }
        // SAFETY: `before` is the block's layout by the caller's promise; `after` is not empty and is a
        // valid size, because it comes from `block_layout`.
        let start = unsafe { alloc::realloc(self.start.as_ptr(), before, after.size()) };
        self.start = NonNull::new(start).unwrap_or_else(|| alloc::handle_alloc_error(after));
    }

    /// # Safety
    /// The header must say that there is an expiry time, and the block must have room for it.
    unsafe fn write_expiry(&mut self, at: UnixMs) {
        // SAFETY: the caller's promise.
        unsafe { self.start.add(HEADER_BYTES).cast().write(at.0.to_le_bytes()) };
    }

    /// # Safety
    /// The header must describe `content`, the block must have room for it, and nothing that is owned
    /// may be in the value area.
    unsafe fn write_content(&mut self, content: Content<'_>) {
        let at = self.value_at();
        // SAFETY: the area has the length that `Content::shape` gave to the header, by the caller's
        // promise. `content` cannot overlap the block: it was borrowed before `self` was, mutably.
        unsafe {
            match content {
                Content::Int(n) => at.cast().write(n.to_le_bytes()),
                Content::Text(bytes) => at.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()),
                Content::Rich(value) => at.cast().write(value),
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        drop(self.take_rich());
        // SAFETY: invariant 1; nobody uses the entry afterwards.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout()) };
    }
}

impl Content<'_> {
    fn shape(&self) -> (Kind, Form, u16) {
        match self {
            Content::Int(_) => (Kind::String, Form::Int, 8),
            Content::Text(bytes) => {
                assert!(bytes.len() <= INLINE_BYTES_MAX, "a long string is kept elsewhere");
                (Kind::String, Form::Text, bytes.len() as u16)
            }
            Content::Rich(value) => (value.kind(), Form::Rich, size_of::<Value>() as u16),
        }
    }
}

fn key_offset(header: &Header) -> usize {
    HEADER_BYTES + if header.bits & HAS_EXPIRY == 0 { 0 } else { EXPIRY_BYTES }
}

/// Where the value begins: behind the key, and aligned if it is a [`Value`].
fn value_offset(header: &Header, form: Form) -> usize {
    let key_end = key_offset(header) + header.key_len as usize;
    match form {
        Form::Int | Form::Text => key_end,
        Form::Rich => key_end.next_multiple_of(BLOCK_ALIGN),
    }
}

/// The size of a block with this header and a value of this form and length.
fn block_bytes(header: &Header, form: Form, value_len: usize) -> usize {
    (value_offset(header, form) + value_len).next_multiple_of(BLOCK_STEP_BYTES)
}

fn block_layout(header: &Header) -> Layout {
    let bytes = block_bytes(header, form_of(header), usize::from(header.value_len));
    Layout::from_size_align(bytes, BLOCK_ALIGN).expect("a block of a few GiB at most is a valid layout")
}

fn form_of(header: &Header) -> Form {
    match header.bits & !HAS_EXPIRY {
        0 => Form::Int,
        1 => Form::Text,
        2 => Form::Rich,
        other => unreachable!("no entry is written in form {other}"),
    }
}
