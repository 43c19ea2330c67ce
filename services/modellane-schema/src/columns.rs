//! One list of columns per table, from which both the schema and the builder come.

use crate::BatchError;
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Int8Builder, Int32Builder,
    Int64Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use modellane_event::{AccountRef, Amount, Date, EventId, Label, Share, UtcTime};
use std::fmt::Write;
use std::sync::Arc;

/// How a column holds its values.
pub(crate) trait Kind {
    type Value<'a>;
    fn data_type() -> DataType;
    fn with_capacity(rows: usize) -> Self;
    fn append(&mut self, value: Option<Self::Value<'_>>);
    fn finish(&mut self) -> ArrayRef;
}

/// Neighbouring columns of one table.
pub(crate) trait ColumnGroup {
    type Row<'a>: Copy;
    fn fields(out: &mut Vec<Field>);
    fn with_capacity(rows: usize) -> Self;
    fn append(&mut self, row: Self::Row<'_>);
    fn finish(&mut self, out: &mut Vec<ArrayRef>);
}

/// Guess of a text column's bytes per row, which spares most of the growing.
const TEXT_BYTES: usize = 16;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($builder:ty): $value:ty = $data_type:expr,
        new |$rows:ident| $new:expr, append |$column:ident, $item:ident| $append:expr;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name($builder);

            impl Kind for $name {
                type Value<'a> = $value;

                fn data_type() -> DataType {
                    $data_type
                }

                fn with_capacity($rows: usize) -> Self {
                    Self($new)
                }

                fn append(&mut self, value: Option<Self::Value<'_>>) {
                    let $column = &mut self.0;
                    match value {
                        Some($item) => $append,
                        None => $column.append_null(),
                    }
                }

                fn finish(&mut self) -> ArrayRef {
                    Arc::new(self.0.finish())
                }
            }
        )+
    };
}

kinds! {
    /// Bounded text or the name of an enumeration's value.
    Text(StringBuilder): &'a str = DataType::Utf8,
        new |rows| StringBuilder::with_capacity(rows, rows * TEXT_BYTES),
        append |column, text| column.append_value(text);
    /// A list of bounded texts. The element's name is the one that Delta and Parquet prescribe.
    Texts(ListBuilder<StringBuilder>): &'a [Label] = DataType::List(Arc::new(element())),
        new |rows| ListBuilder::with_capacity(StringBuilder::new(), rows).with_field(element()),
        append |column, labels| {
            for label in labels {
                column.values().append_value(label.as_str());
            }
            column.append(true);
        };
    /// 16 bytes. Delta has no type of fixed length.
    Id(BinaryBuilder): &'a [u8; 16] = DataType::Binary,
        new |rows| BinaryBuilder::with_capacity(rows, rows * 16),
        append |column, id| column.append_value(id);
    /// Ids one after another, 16 bytes each.
    Ids(BinaryBuilder): &'a [EventId] = DataType::Binary,
        new |rows| BinaryBuilder::with_capacity(rows, 0),
        append |column, ids| {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
            column.append_value(bytes);
        };
    /// The kinds of accounts, one after another.
    AccountKinds(ListBuilder<StringBuilder>): &'a [AccountRef] = Texts::data_type(),
        new |rows| ListBuilder::with_capacity(StringBuilder::new(), rows).with_field(element()),
        append |column, accounts| {
            for account in accounts {
                column.values().append_value(account.kind.as_str());
            }
            column.append(true);
        };
    /// The keyed hashes of accounts one after another, 16 bytes each.
    AccountHashes(BinaryBuilder): &'a [AccountRef] = DataType::Binary,
        new |rows| BinaryBuilder::with_capacity(rows, rows * 16),
        append |column, accounts| {
            let bytes: Vec<u8> = accounts.iter().flat_map(|account| account.hash.0).collect();
            column.append_value(bytes);
        };
    /// Yes or no.
    Flag(BooleanBuilder): bool = DataType::Boolean,
        new |rows| BooleanBuilder::with_capacity(rows),
        append |column, flag| column.append_value(flag);
    /// −1, 0 or +1.
    SignColumn(Int8Builder): i8 = DataType::Int8,
        new |rows| Int8Builder::with_capacity(rows),
        append |column, sign| column.append_value(sign);
    /// A small number.
    Int32(Int32Builder): i32 = DataType::Int32,
        new |rows| Int32Builder::with_capacity(rows),
        append |column, number| column.append_value(number);
    /// A count.
    Int64(Int64Builder): i64 = DataType::Int64,
        new |rows| Int64Builder::with_capacity(rows),
        append |column, number| column.append_value(number);
    /// A moment.
    Time(TimestampMicrosecondBuilder): UtcTime = utc_micros(),
        new |rows| TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(utc_micros()),
        append |column, time| column.append_value(time.micros());
    /// A UTC day.
    Day(Date32Builder): Date = DataType::Date32,
        new |rows| Date32Builder::with_capacity(rows),
        append |column, day| column.append_value(day.0);
    /// The month of a day, `YYYY-MM`.
    Month(StringBuilder): Date = DataType::Utf8,
        new |rows| StringBuilder::with_capacity(rows, rows * 7),
        append |column, day| {
            let (year, month) = day.year_month();
            // Writing into the builder allocates nothing and cannot fail.
            let _ = write!(column, "{year:04}-{month:02}");
            column.append_value("");
        };
    /// Money or credits.
    Money(Decimal128Builder): Amount = DataType::Decimal128(Amount::PRECISION, Amount::SCALE as i8),
        new |rows| Decimal128Builder::with_capacity(rows).with_data_type(Money::data_type()),
        append |column, amount| column.append_value(amount.billionths());
    /// A probability or share.
    Part(Decimal128Builder): Share = DataType::Decimal128(7, 6),
        new |rows| Decimal128Builder::with_capacity(rows).with_data_type(Part::data_type()),
        append |column, share| column.append_value(i128::from(share.millionths()));
}

pub(crate) fn utc_micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn element() -> Field {
    Field::new("element", DataType::Utf8, true)
}

/// Declares a group: `name: Kind required = value;` or `name: Kind nullable = optional value;`.
macro_rules! columns {
    ($(#[$doc:meta])* $group:ident for $row:ident: $Row:ident {
        $($column:ident: $kind:ident $null:ident = $value:expr;)+
    }) => {
        $(#[$doc])*
        pub(crate) struct $group { $($column: $crate::columns::$kind),+ }

        impl $crate::columns::ColumnGroup for $group {
            type Row<'a> = $Row<'a>;

            fn fields(out: &mut Vec<arrow::datatypes::Field>) {
                use $crate::columns::Kind as _;
                $(out.push(arrow::datatypes::Field::new(
                    stringify!($column),
                    $crate::columns::$kind::data_type(),
                    $crate::columns::columns!(@nullable $null),
                ));)+
            }

            fn with_capacity(rows: usize) -> Self {
                use $crate::columns::Kind as _;
                Self { $($column: $crate::columns::$kind::with_capacity(rows)),+ }
            }

            fn append(&mut self, $row: $Row<'_>) {
                use $crate::columns::Kind as _;
                $(self.$column.append($crate::columns::columns!(@value $null $value));)+
            }

            fn finish(&mut self, out: &mut Vec<arrow::array::ArrayRef>) {
                use $crate::columns::Kind as _;
                $(out.push(self.$column.finish());)+
            }
        }
    };
    (@nullable required) => { false };
    (@nullable nullable) => { true };
    (@value required $value:expr) => { Some($value) };
    (@value nullable $value:expr) => { $value };
}
pub(crate) use columns;

/// Declares a table as its groups, in the order of its columns.
macro_rules! column_groups {
    ($(#[$doc:meta])* $table:ident of $Row:ident { $($group:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        pub(crate) struct $table { $($group: $type),+ }

        impl $crate::columns::ColumnGroup for $table {
            type Row<'a> = $Row<'a>;

            fn fields(out: &mut Vec<arrow::datatypes::Field>) {
                $(<$type>::fields(out);)+
            }

            fn with_capacity(rows: usize) -> Self {
                Self { $($group: <$type>::with_capacity(rows)),+ }
            }

            fn append(&mut self, row: $Row<'_>) {
                $(self.$group.append(row);)+
            }

            fn finish(&mut self, out: &mut Vec<arrow::array::ArrayRef>) {
                $(self.$group.finish(out);)+
            }
        }
    };
}
pub(crate) use column_groups;

/// The schema of a table.
pub(crate) fn table_schema<C: ColumnGroup>() -> SchemaRef {
    let mut fields = Vec::new();
    C::fields(&mut fields);
    Arc::new(Schema::new(fields))
}

/// Collects rows of a table.
pub(crate) struct TableBuilder<C> {
    columns: C,
    schema: SchemaRef,
    rows: usize,
}

impl<C: ColumnGroup> TableBuilder<C> {
    pub(crate) fn new(schema: SchemaRef, rows: usize) -> Self {
        Self { columns: C::with_capacity(rows), schema, rows: 0 }
    }

    pub(crate) fn append(&mut self, row: C::Row<'_>) {
        self.columns.append(row);
        self.rows += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn finish(&mut self) -> Result<RecordBatch, BatchError> {
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        self.columns.finish(&mut arrays);
        self.rows = 0;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }
}

/// Declares the public face of a table: its schema and its builder.
macro_rules! table {
    ($(#[$schema_doc:meta])* $schema:ident, $(#[$builder_doc:meta])* $builder:ident: $columns:ty) => {
        $(#[$schema_doc])*
        pub fn $schema() -> arrow::datatypes::SchemaRef {
            static SCHEMA: std::sync::LazyLock<arrow::datatypes::SchemaRef> =
                std::sync::LazyLock::new($crate::columns::table_schema::<$columns>);
            std::sync::Arc::clone(&SCHEMA)
        }

        $(#[$builder_doc])*
        pub struct $builder($crate::columns::TableBuilder<$columns>);

        impl $builder {
            /// A builder with room for so many rows; it grows beyond them.
            pub fn with_capacity(rows: usize) -> Self {
                Self($crate::columns::TableBuilder::new($schema(), rows))
            }

            /// Rows appended since the last batch.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether no row was appended since the last batch.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The appended rows as one batch; the builder starts anew. A batch holds at most 2 GiB of
            /// text in one column, which arrow's 32-bit offsets set.
            pub fn finish(&mut self) -> Result<arrow::array::RecordBatch, $crate::BatchError> {
                self.0.finish()
            }
        }
    };
}
pub(crate) use table;
