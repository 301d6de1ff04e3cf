//! Moments that no calendar reaches: DuckDB has `infinity`, years up to 294,247 and an hour 24,
//! which Arrow carries as numbers and has no text for.

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, make_array};
use arrow::compute::nullif;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Int64Type, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A day in microseconds.
const DAY_MICROS: i64 = 86_400_000_000;

/// The word for a moment that is not one of the calendar. `None` for every other value.
pub(super) fn endless(array: &ArrayRef, row: usize) -> Option<&'static str> {
    let moment = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => value::<TimestampSecondType>(array, row),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            value::<TimestampMillisecondType>(array, row)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            value::<TimestampMicrosecondType>(array, row)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            value::<TimestampNanosecondType>(array, row)
        }
        DataType::Date32 => match array.as_primitive::<Date32Type>().value(row) {
            i32::MAX => i64::MAX,
            day if day == -i32::MAX => -i64::MAX,
            _ => return None,
        },
        DataType::Time64(TimeUnit::Microsecond) => {
            let time = value::<Time64MicrosecondType>(array, row);
            return (time == DAY_MICROS).then_some("24:00:00");
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let time = value::<Time64NanosecondType>(array, row);
            return (time == DAY_MICROS * 1_000).then_some("24:00:00");
        }
        _ => return None,
    };
    match moment {
        i64::MAX => Some("infinity"),
        moment if moment == -i64::MAX => Some("-infinity"),
        _ => None,
    }
}

fn value<T>(array: &ArrayRef, row: usize) -> i64
where
    T: ArrowPrimitiveType<Native = <Int64Type as ArrowPrimitiveType>::Native>,
{
    array.as_primitive::<T>().value(row)
}

/// The same values, with NULL for moments without a text inside of lists, structs and the like,
/// where one of them would leave the whole value without a text.
pub(super) fn with_a_text(array: &ArrayRef) -> ArrayRef {
    if !array.data_type().is_nested() {
        return array.clone();
    }
    match inner(array.to_data()) {
        Ok(data) => make_array(data),
        // A map's key may not be NULL; then the value has no text.
        Err(_) => array.clone(),
    }
}

fn inner(data: ArrayData) -> Result<ArrayData, ArrowError> {
    if data.data_type().is_temporal() {
        let array = make_array(data);
        let options = FormatOptions::new();
        let text = ArrayFormatter::try_new(array.as_ref(), &options)?;
        let is_without = |row| {
            array.is_valid(row)
                && (endless(&array, row).is_some() || text.value(row).try_to_string().is_err())
        };
        let without: BooleanArray = (0..array.len()).map(|row| Some(is_without(row))).collect();
        return Ok(match without.true_count() {
            0 => array.to_data(),
            _ => nullif(&array, &without)?.to_data(),
        });
    }
    if data.child_data().is_empty() {
        return Ok(data);
    }
    let children = data.child_data().iter().cloned().map(inner);
    let children = children.collect::<Result<Vec<_>, _>>()?;
    data.into_builder().child_data(children).build()
}
