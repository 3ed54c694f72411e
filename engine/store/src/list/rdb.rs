//! Lists in RDB: node by node.
//!
//! ```text
//! type 18 := nodes:length (container:length block:string)*      container: 1 one element, 2 a listpack
//! type 14 := nodes:length ziplist:string*                       type 10 := ziplist:string
//! type 1  := elements:length string*
//! ```

use super::node::{Node, NodeSize};
use super::{End, Form, List};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::{Item, Packed};
use crate::rdb::{Elements, RdbFault, Reader, Reading, Stop, put_length, put_string, ziplist};
use bytes::BytesMut;

const TYPE_PLAIN: u8 = 1;
const TYPE_ZIPLIST: u8 = 10;
const TYPE_QUICKLIST_ZIPLISTS: u8 = 14;
const TYPE_QUICKLIST: u8 = 18;

const CONTAINER_PLAIN: u64 = 1;
const CONTAINER_PACKED: u64 = 2;

const MALFORMED: RdbFault = RdbFault::Malformed("list");

pub(crate) fn type_byte(_: &List) -> u8 {
    TYPE_QUICKLIST
}

/// Writes one piece; false after the last.
pub(crate) fn put_piece(list: &List, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    match &list.form {
        Form::Packed(packed) => {
            put_length(out, 1);
            put_block(out, packed, compressed);
            false
        }
        Form::Nodes(nodes) => {
            match number.checked_sub(1) {
                None => put_length(out, nodes.node_count() as u64),
                Some(node) => match nodes.node(node) {
                    Node::Packed(packed) => put_block(out, packed, compressed),
                    Node::Plain(element) => {
                        put_length(out, CONTAINER_PLAIN);
                        put_string(out, element, compressed);
                    }
                },
            }
            number < nodes.node_count()
        }
    }
}

fn put_block(out: &mut BytesMut, packed: &Packed, compressed: bool) {
    put_length(out, CONTAINER_PACKED);
    put_string(out, packed.as_listpack(), compressed);
}

pub(crate) fn begin(type_byte: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Reading, Stop> {
    let form = match type_byte {
        TYPE_PLAIN => Of::Elements,
        TYPE_QUICKLIST_ZIPLISTS => Of::Ziplists,
        TYPE_QUICKLIST => Of::Nodes,
        TYPE_ZIPLIST => {
            let mut list = List::default();
            push_ziplist(&mut list, &reader.string()?.into_bytes(), limits)?;
            return Ok(Reading::Whole(Value::List(list)));
        }
        _ => unreachable!("the caller chooses the type by this byte"),
    };
    Ok(Reading::Elements(Box::new(Parts { of: form, left: reader.length()?, list: List::default() })))
}

/// What a list consists of in the file.
#[derive(Clone, Copy)]
enum Of {
    Elements,
    Ziplists,
    Nodes,
}

/// A list that is being read part by part.
struct Parts {
    of: Of,
    left: u64,
    list: List,
}

impl Elements for Parts {
    fn read_next(&mut self, reader: &mut Reader<'_>, limits: &Limits) -> Result<Option<Value>, Stop> {
        if self.left == 0 {
            self.list.shrink(NodeSize::of(limits.list_node_size));
            return Ok(Some(Value::List(std::mem::take(&mut self.list))));
        }
        match self.of {
            Of::Elements => {
                let element = reader.string()?;
                self.list.push(End::Tail, element.as_bytes(&mut itoa::Buffer::new()), limits);
            }
            Of::Ziplists => push_ziplist(&mut self.list, &reader.string()?.into_bytes(), limits)?,
            Of::Nodes => {
                let container = reader.length()?;
                let block = reader.string()?.into_bytes();
                match container {
                    CONTAINER_PLAIN => self.list.push(End::Tail, &block, limits),
                    CONTAINER_PACKED => {
                        push_block(
                            &mut self.list,
                            Packed::from_listpack(&block).map_err(|_| MALFORMED)?,
                            limits,
                        );
                    }
                    _ => return Err(MALFORMED.into()),
                }
            }
        }
        self.left -= 1;
        Ok(None)
    }
}

/// Appends a block as it is, or element by element if it is larger than blocks are to be.
fn push_block(list: &mut List, packed: Packed, limits: &Limits) {
    let size = NodeSize::of(limits.list_node_size);
    if packed.is_empty() {
        return;
    }
    if !size.holds(&packed) {
        let mut digits = itoa::Buffer::new();
        packed.iter().for_each(|item: Item<'_>| list.push(End::Tail, item.as_bytes(&mut digits), limits));
    } else if list.is_empty() {
        list.form = Form::Packed(packed);
    } else {
        list.nodes_mut().push_node(Node::packed(packed));
    }
}

fn push_ziplist(list: &mut List, bytes: &[u8], limits: &Limits) -> Result<(), RdbFault> {
    let mut digits = itoa::Buffer::new();
    for item in ziplist::decode(bytes).ok_or(MALFORMED)? {
        list.push(End::Tail, item.as_bytes(&mut digits), limits);
    }
    Ok(())
}
