//! Writing.

use super::{Foreign, ID};
use integer_encoding::VarInt;
use serde::Serialize;
use serde::ser::{Impossible, SerializeSeq, SerializeStruct, Serializer};

/// Appends a value; after an error `out` holds a part of it.
pub(in crate::avro) fn write<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Foreign> {
    value.serialize(Writer(out))
}

struct Writer<'o>(&'o mut Vec<u8>);

impl Writer<'_> {
    /// Zigzag, least significant seven bits first.
    fn long(&mut self, value: i64) {
        let mut bytes = [0; 10];
        let length = value.encode_var(&mut bytes);
        self.0.extend_from_slice(&bytes[..length]);
    }

    fn counted(&mut self, bytes: &[u8]) {
        // A length in memory fits.
        self.long(bytes.len() as i64);
        self.0.extend_from_slice(bytes);
    }
}

macro_rules! whole {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(mut self, value: $type) -> Result<(), Foreign> {
            self.long(i64::from(value));
            Ok(())
        })+
    };
}

macro_rules! refuse {
    ($($method:ident$(<$generic:ident>)?($($argument:ty),*) -> $ok:ty;)+) => {
        $(fn $method$(<$generic: Serialize + ?Sized>)?(self, $(_: $argument),*) -> Result<$ok, Foreign> {
            Err(Foreign)
        })+
    };
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = Foreign;
    type SerializeSeq = Array<'o>;
    type SerializeStruct = Self;
    type SerializeTuple = Impossible<(), Foreign>;
    type SerializeTupleStruct = Impossible<(), Foreign>;
    type SerializeTupleVariant = Impossible<(), Foreign>;
    type SerializeMap = Impossible<(), Foreign>;
    type SerializeStructVariant = Impossible<(), Foreign>;

    fn is_human_readable(&self) -> bool {
        false
    }

    whole! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
    }

    fn serialize_bool(self, value: bool) -> Result<(), Foreign> {
        self.0.push(u8::from(value));
        Ok(())
    }

    /// Two's complement, the highest byte first, without bytes that only repeat the sign.
    fn serialize_i128(mut self, value: i128) -> Result<(), Foreign> {
        let bytes = value.to_be_bytes();
        let sign = if value < 0 { 0xFF } else { 0 };
        let repeats = bytes.windows(2).take_while(|pair| pair[0] == sign && (pair[1] ^ sign) < 0x80);
        let skipped = repeats.count();
        self.counted(&bytes[skipped..]);
        Ok(())
    }

    fn serialize_str(mut self, value: &str) -> Result<(), Foreign> {
        self.counted(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Foreign> {
        if value.len() != ID {
            return Err(Foreign);
        }
        self.0.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(mut self) -> Result<(), Foreign> {
        self.long(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), Foreign> {
        self.long(1);
        value.serialize(self)
    }

    fn serialize_unit_variant(mut self, _: &'static str, index: u32, _: &'static str) -> Result<(), Foreign> {
        self.long(i64::from(index));
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Foreign> {
        value.serialize(self)
    }

    fn serialize_seq(mut self, length: Option<usize>) -> Result<Array<'o>, Foreign> {
        let length = length.ok_or(Foreign)?;
        if length > 0 {
            self.long(i64::try_from(length).map_err(|_| Foreign)?);
        }
        Ok(Array { writer: self, left: length })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Foreign> {
        Ok(self)
    }

    refuse! {
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_newtype_variant<T>(&'static str, u32, &'static str, &T) -> ();
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

impl SerializeStruct for Writer<'_> {
    type Ok = ();
    type Error = Foreign;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Foreign> {
        value.serialize(Writer(self.0))
    }

    fn end(self) -> Result<(), Foreign> {
        Ok(())
    }
}

/// An array of one block, which an empty block ends.
struct Array<'o> {
    writer: Writer<'o>,
    left: usize,
}

impl SerializeSeq for Array<'_> {
    type Ok = ();
    type Error = Foreign;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Foreign> {
        self.left = self.left.checked_sub(1).ok_or(Foreign)?;
        value.serialize(Writer(self.writer.0))
    }

    fn end(mut self) -> Result<(), Foreign> {
        if self.left > 0 {
            return Err(Foreign);
        }
        self.writer.long(0);
        Ok(())
    }
}
