//! `uuid_text`: 16 bytes as UUID text, so that SQL never shows raw ids.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The function, ready to register.
pub(crate) fn uuid_text() -> ScalarUDF {
    ScalarUDF::new_from_impl(UuidText { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct UuidText {
    signature: Signature,
}

impl ScalarUDFImpl for UuidText {
    fn name(&self) -> &str {
        "uuid_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [ids] = arrays.as_slice() else { return exec_err!("uuid_text takes one argument") };
        let text = match ids.data_type() {
            DataType::FixedSizeBinary(_) => write_ids(ids, ids.as_fixed_size_binary().iter()),
            DataType::Binary => write_ids(ids, ids.as_binary::<i32>().iter()),
            DataType::LargeBinary => write_ids(ids, ids.as_binary::<i64>().iter()),
            DataType::BinaryView => write_ids(ids, ids.as_binary_view().iter()),
            other => return exec_err!("uuid_text takes bytes, not {other}"),
        };
        Ok(ColumnarValue::Array(text))
    }
}

fn write_ids<'a>(ids: &ArrayRef, values: impl Iterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    let mut text = StringBuilder::with_capacity(ids.len(), ids.len() * 36);
    let mut id = String::with_capacity(36);
    for value in values {
        match value {
            None => text.append_null(),
            Some(bytes) => {
                id.clear();
                write_id(bytes, &mut id);
                text.append_value(&id);
            }
        }
    }
    Arc::new(text.finish())
}

/// Dashes stand where a UUID has them; ids of another length become plain hexadecimal.
fn write_id(bytes: &[u8], text: &mut String) {
    for (index, byte) in bytes.iter().enumerate() {
        if bytes.len() == 16 && matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bytes_read_as_a_uuid() {
        let mut text = String::new();
        write_id(&[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8], &mut text);
        assert_eq!(text, "12345678-9abc-def0-0102-030405060708");
    }
}
