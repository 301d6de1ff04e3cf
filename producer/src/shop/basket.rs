//! A basket: how many of which goods.

use super::goods::{self, Good};

/// The most of one good in a basket.
pub(super) const MAX_QUANTITY: u32 = 9;

/// So many of one good.
#[derive(Debug, Clone, Copy)]
pub(super) struct BasketLine {
    pub(super) good: &'static Good,
    pub(super) quantity: u32,
}

impl BasketLine {
    /// Returns what the line costs, as a page shows it.
    pub(super) fn tag(&self) -> String {
        goods::tag(self.quantity * self.good.cents)
    }
}

/// What a visitor is about to buy: at most one line for each good of the shop.
#[derive(Debug, Clone, Default)]
pub(super) struct Basket(Vec<BasketLine>);

impl Basket {
    /// Puts so many of a good in. Returns how many there was room for.
    pub(super) fn add(&mut self, good: &'static Good, quantity: u32) -> u32 {
        let known = self.0.iter_mut().find(|line| line.good.id == good.id);
        let in_it = known.as_ref().map_or(0, |line| line.quantity);
        let quantity = quantity.min(MAX_QUANTITY - in_it);
        match known {
            Some(line) => line.quantity += quantity,
            None => self.0.push(BasketLine { good, quantity }),
        }
        quantity
    }

    /// Takes a good out. Returns its line; `None` if the basket has none.
    pub(super) fn remove(&mut self, good: &Good) -> Option<BasketLine> {
        let at = self.0.iter().position(|line| line.good.id == good.id)?;
        Some(self.0.remove(at))
    }

    /// Takes everything out.
    pub(super) fn empty(&mut self) -> Vec<BasketLine> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn lines(&self) -> &[BasketLine] {
        &self.0
    }

    /// Returns how many things are in it.
    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|line| line.quantity).sum()
    }

    /// Returns what all of it costs, as a page shows it.
    pub(super) fn tag(&self) -> String {
        let costs = self.0.iter().map(|line| line.quantity * line.good.cents);
        goods::tag(costs.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basket_has_a_line_a_good_and_holds_nine_of_each() {
        let (tea, mug) = (goods::find("tea").unwrap(), goods::find("mug").unwrap());
        let mut basket = Basket::default();
        let added = [(tea, 2), (mug, 1), (tea, 9), (tea, 1)]
            .map(|(good, quantity)| basket.add(good, quantity));
        assert_eq!(added, [2, 1, 7, 0]);
        assert_eq!((basket.lines().len(), basket.count()), (2, 10));
        assert_eq!(basket.tag(), "€ 94.60");
        assert_eq!(basket.lines()[1].tag(), "€ 14.50");
        assert_eq!(basket.remove(tea).map(|line| line.quantity), Some(9));
        assert!(basket.remove(tea).is_none());
        assert_eq!(basket.empty().len(), 1);
        assert_eq!((basket.count(), basket.tag()), (0, "€ 0.00".to_owned()));
    }
}
