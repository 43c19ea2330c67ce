//! Reading.

use super::{Foreign, ID};
use integer_encoding::VarInt;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess,
    Visitor,
};

/// Reads a value that takes all the bytes.
pub(in crate::avro) fn read<T: DeserializeOwned>(datum: &[u8]) -> Result<T, Foreign> {
    let mut reader = Reader(datum);
    let value = T::deserialize(&mut reader)?;
    if reader.0.is_empty() { Ok(value) } else { Err(Foreign) }
}

struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn long(&mut self) -> Result<i64, Foreign> {
        let (value, length) = i64::decode_var(self.0).ok_or(Foreign)?;
        self.0 = &self.0[length..];
        Ok(value)
    }

    fn take(&mut self, length: usize) -> Result<&'d [u8], Foreign> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Foreign)?;
        self.0 = rest;
        Ok(taken)
    }

    fn counted(&mut self) -> Result<&'d [u8], Foreign> {
        let length = usize::try_from(self.long()?).map_err(|_| Foreign)?;
        self.take(length)
    }

    fn decimal(&mut self) -> Result<i128, Foreign> {
        let bytes = self.counted()?;
        let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
        let mut wide = [if negative { 0xFF } else { 0 }; size_of::<i128>()];
        let start = wide.len().checked_sub(bytes.len()).ok_or(Foreign)?;
        wide[start..].copy_from_slice(bytes);
        Ok(i128::from_be_bytes(wide))
    }
}

macro_rules! whole {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
            visitor.visit_i64(self.long()?)
        })+
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Foreign;

    fn is_human_readable(&self) -> bool {
        false
    }

    whole! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        match self.take(1)? {
            [0] => visitor.visit_bool(false),
            [1] => visitor.visit_bool(true),
            _ => Err(Foreign),
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        visitor.visit_i128(self.decimal()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        visitor.visit_borrowed_str(std::str::from_utf8(self.counted()?).map_err(|_| Foreign)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        visitor.visit_borrowed_bytes(self.take(ID)?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        match self.long()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Foreign),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Foreign> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Foreign> {
        visitor.visit_seq(Array { reader: self, left: 0 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Foreign> {
        visitor.visit_seq(Fields { reader: self, left: fields.len() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Foreign> {
        let index = u32::try_from(self.long()?).map_err(|_| Foreign)?;
        visitor.visit_enum(Symbol(index))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Foreign> {
        // Bytes without a schema do not say what they are.
        Err(Foreign)
    }

    serde::forward_to_deserialize_any! {
        u64 u128 f32 f64 char unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

struct Fields<'r, 'd> {
    reader: &'r mut Reader<'d>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Foreign;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Foreign> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// Blocks of elements; an empty one ends them. A negative count stands for its absolute value and is
/// followed by the length of the block in bytes (Avro specification, "Arrays").
struct Array<'r, 'd> {
    reader: &'r mut Reader<'d>,
    /// Elements left in the current block.
    left: u64,
}

impl<'de> SeqAccess<'de> for Array<'_, 'de> {
    type Error = Foreign;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Foreign> {
        if self.left == 0 {
            let count = self.reader.long()?;
            if count < 0 {
                self.reader.long()?;
            }
            self.left = count.unsigned_abs();
            // No element is shorter than a byte, so a longer block is a lie.
            if self.left > self.reader.0.len() as u64 {
                return Err(Foreign);
            }
            if self.left == 0 {
                return Ok(None);
            }
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

struct Symbol(u32);

impl<'de> EnumAccess<'de> for Symbol {
    type Error = Foreign;
    type Variant = Unit;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Unit), Foreign> {
        let index: U32Deserializer<Foreign> = self.0.into_deserializer();
        Ok((seed.deserialize(index)?, Unit))
    }
}

struct Unit;

impl<'de> VariantAccess<'de> for Unit {
    type Error = Foreign;

    fn unit_variant(self) -> Result<(), Foreign> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Foreign> {
        Err(Foreign)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Foreign> {
        Err(Foreign)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Foreign> {
        Err(Foreign)
    }
}
