//! What the demo shop sells: a dozen invented things for a day by the water.

/// The currency of every price.
pub(super) const CURRENCY: &str = "EUR";

/// Something to buy.
#[derive(Debug)]
pub(crate) struct Good {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) category: &'static str,
    pub(super) cents: u32,
    pub(crate) blurb: &'static str,
    /// An inline SVG that is part of this crate.
    pub(crate) picture: &'static str,
}

impl Good {
    /// Returns the price in whole currency units.
    pub(crate) fn price(&self) -> f64 {
        f64::from(self.cents) / 100.0
    }

    /// Returns the price as a page shows it.
    pub(crate) fn tag(&self) -> String {
        tag(self.cents)
    }
}

/// Returns an amount as a page shows it.
pub(super) fn tag(cents: u32) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}

/// Returns all goods, in the order of the page.
pub(crate) fn all() -> &'static [Good] {
    &GOODS
}

/// Returns the good of this id; `None` if there is none.
pub(crate) fn find(id: &str) -> Option<&'static Good> {
    GOODS.iter().find(|good| good.id == id)
}

macro_rules! good {
    ($id:literal, $name:literal, $category:literal, $cents:literal, $blurb:literal) => {
        Good {
            id: $id,
            name: $name,
            category: $category,
            cents: $cents,
            blurb: $blurb,
            picture: include_str!(concat!("../../assets/goods/", $id, ".svg")),
        }
    };
}

static GOODS: [Good; 12] = [
    good!(
        "kettle",
        "Mill Race Kettle",
        "Kitchen",
        4_900,
        "Enamelled steel, two litres, and a whistle that carries across a valley."
    ),
    good!(
        "mug",
        "Heron Blue Mug",
        "Kitchen",
        1_450,
        "Holds a third of a litre of tea and forgives being dropped on gravel."
    ),
    good!(
        "tea",
        "Towpath Tea",
        "Kitchen",
        890,
        "Black tea with smoke and orange peel, in a tin that closes tight."
    ),
    good!(
        "basket",
        "Lock Keeper's Basket",
        "Outdoors",
        6_750,
        "Woven willow with a lid, big enough for lunch for four."
    ),
    good!(
        "blanket",
        "Millpond Blanket",
        "Home",
        7_900,
        "Washable wool, woven in two blues, a metre and a half square."
    ),
    good!(
        "lantern",
        "Sluice Gate Lantern",
        "Outdoors",
        3_850,
        "A warm light for forty hours, and a hook for any branch."
    ),
    good!(
        "boots",
        "Shallow Ford Boots",
        "Clothing",
        5_900,
        "Natural rubber to the knee, with soles that grip wet stone."
    ),
    good!(
        "hat",
        "Angler's Felt Hat",
        "Clothing",
        4_200,
        "Keeps off rain, sun and most conversation."
    ),
    good!(
        "paddle",
        "Ash Wood Paddle",
        "Outdoors",
        8_400,
        "Carved from one plank and oiled by hand; floats when you let go."
    ),
    good!(
        "compass",
        "Upstream Compass",
        "Outdoors",
        2_600,
        "Brass, pocket sized, damped so that it settles in a second."
    ),
    good!(
        "notebook",
        "Waterline Notebook",
        "Home",
        1_250,
        "A hundred and sixty pages that take ink in the rain."
    ),
    good!(
        "print",
        "Kingfisher Print",
        "Home",
        3_300,
        "Three colours on heavy paper, thirty by forty centimetres."
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goods_are_distinct_and_priced() {
        let mut ids: Vec<_> = all().iter().map(|good| good.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 12);
        assert!(
            all()
                .iter()
                .all(|good| good.price() > 0.0 && good.picture.contains("<svg"))
        );
        assert_eq!(find("tea").map(Good::tag).as_deref(), Some("€ 8.90"));
        assert!(find("../tea").is_none());
    }
}
