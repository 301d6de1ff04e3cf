//! What is counted of rows, as SQL.

/// The condition of rows that took money: `buy`, and `cancel` with its negative quantities.
pub(crate) const TRADE: &str = "action IN ('buy', 'cancel')";
/// A row's worth, exact to four places, so that a sum does not depend on its order. A row without
/// a quantity counts one; a worth of more than 14 digits counts nothing.
pub(crate) const WORTH: &str =
    "coalesce(TRY_CAST(price * coalesce(quantity, 1) AS DECIMAL(18, 4)), 0)";

/// SQL of the sums over rows. Quantities and worth, in ten-thousandths, are whole numbers in
/// doubles: their sums are exact up to 2⁵³ and do not overflow, and DuckDB reads them ten times as
/// fast as wider integers, which it unpacks one by one.
pub(crate) fn measures() -> String {
    summed("coalesce(quantity, 1)", WORTH)
}

/// SQL of the same sums over these expressions.
pub(crate) fn summed(quantity: &str, worth: &str) -> String {
    format!(
        "count(*) AS clicks, sum({quantity})::DOUBLE AS quantity,
            round(sum({worth})::DOUBLE * 1e4) AS worth"
    )
}

/// SQL of the revenue over such sums.
pub(crate) fn revenue() -> String {
    format!("coalesce(sum(worth) FILTER ({TRADE}), 0) / 1e4")
}
