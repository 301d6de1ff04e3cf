//! Clicks that hold several items, each of which is a row.

use serde_json::value::RawValue;

use crate::row::native::NativeClick;

/// Reads a native click. Of one that holds several items, the fields of that `item` are those of
/// the click.
pub(super) fn native_click(
    click: &str,
    item: Option<u32>,
) -> Result<NativeClick<'_>, serde_json::Error> {
    let mut click: NativeClick<'_> = serde_json::from_str(click)?;
    let Some(items) = click.items.take() else {
        return Ok(click);
    };
    match item {
        None => click.properties.insert("items".into(), items),
        Some(item) => {
            if let Some(item) = nth(items, item) {
                click.overlay(serde_json::from_str(item.get())?);
            }
        }
    }
    Ok(click)
}

/// Returns an array's element; `None` if there is none.
pub(super) fn nth(array: &RawValue, place: u32) -> Option<&RawValue> {
    let items: Vec<&RawValue> = serde_json::from_str(array.get()).ok()?;
    items.get(usize::try_from(place).ok()?).copied()
}
