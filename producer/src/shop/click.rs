//! A click that a page carries: as data for its script, and as a pixel for a browser
//! without scripts.

use serde::Serialize;
use topic::clock::SharedClock;
use url::form_urlencoded::Serializer;

use super::account::Customer;
use super::basket::BasketLine;
use super::goods::{self, Good};
use crate::accept::identity;

/// What a click says of one product.
#[derive(Debug, Clone, Copy, Serialize)]
struct ProductFields {
    product_id: &'static str,
    product_name: &'static str,
    category: &'static str,
    price: f64,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
}

impl ProductFields {
    fn new(good: &Good, quantity: Option<u32>) -> Self {
        Self {
            product_id: good.id,
            product_name: good.name,
            category: good.category,
            price: good.price(),
            currency: goods::CURRENCY,
            quantity,
        }
    }
}

/// A click with the fields that the server knows. The browser adds the rest.
#[derive(Debug, Clone)]
pub(super) struct ShopClick {
    action: &'static str,
    /// The lines of an order or a basket, or the one product that was viewed.
    products: Vec<ProductFields>,
    order_id: Option<String>,
    user_id: Option<String>,
    /// The ids in the pixels, one for each product. The script makes its own.
    ids: Vec<String>,
}

/// A click as the script reads it.
#[derive(Serialize)]
struct ClickFields<'a> {
    action: &'static str,
    #[serde(flatten)]
    product: Option<ProductFields>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    items: &'a [ProductFields],
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

impl ShopClick {
    pub(super) fn new(action: &'static str, clock: &SharedClock) -> Self {
        Self {
            action,
            products: Vec::new(),
            order_id: None,
            user_id: None,
            ids: vec![new_id(clock)],
        }
    }

    /// Names the good that was viewed.
    pub(super) fn of(self, good: &Good) -> Self {
        let products = vec![ProductFields::new(good, None)];
        Self { products, ..self }
    }

    /// Names the goods that were put into a basket, or are in it.
    pub(super) fn with(self, lines: &[BasketLine], clock: &SharedClock) -> Self {
        let product = |line: &BasketLine| ProductFields::new(line.good, Some(line.quantity));
        Self {
            products: lines.iter().map(product).collect(),
            ids: lines.iter().map(|_| new_id(clock)).collect(),
            ..self
        }
    }

    /// Names the order.
    pub(super) fn ordered(self, order: String) -> Self {
        let order_id = Some(order);
        Self { order_id, ..self }
    }

    /// Names the customer; `None` keeps the one that is named already.
    pub(super) fn by(self, customer: Option<&Customer>) -> Self {
        Self {
            user_id: customer
                .map(|customer| customer.id.clone())
                .or(self.user_id),
            ..self
        }
    }

    /// Returns the order, and quantity and name of each of its lines; `None` if this is no
    /// purchase.
    pub(super) fn order(&self) -> Option<(&str, Vec<(u32, &'static str)>)> {
        let lines = self.products.iter();
        let lines = lines.filter_map(|line| Some((line.quantity?, line.product_name)));
        Some((self.order_id.as_deref()?, lines.collect()))
    }

    /// Returns the click as data for the script. Several lines are the items of one click.
    pub(super) fn json(&self) -> String {
        let (product, items) = match &*self.products {
            [product] => (Some(*product), [].as_slice()),
            products => (None, products),
        };
        let fields = ClickFields {
            action: self.action,
            product,
            items,
            order_id: self.order_id.as_deref(),
            user_id: self.user_id.as_deref(),
        };
        serde_json::to_string(&fields).expect("texts and numbers")
    }

    /// Returns the click as the addresses of pixels, with the fields of the page that the server
    /// knows: one for each line, since a pixel holds one product.
    pub(super) fn pixels(&self, page: &[(&str, &str)]) -> Vec<String> {
        let lines = match &*self.products {
            [] => vec![None],
            lines => lines.iter().map(Some).collect(),
        };
        let pixel = |(id, line): (&String, Option<&ProductFields>)| self.pixel(id, line, page);
        self.ids.iter().zip(lines).map(pixel).collect()
    }

    fn pixel(&self, id: &str, line: Option<&ProductFields>, page: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::from("/pixel.gif?"));
        query
            .append_pair("id", id)
            .append_pair("action", self.action);
        if let Some(line) = line {
            let quantity = line.quantity.map(|quantity| quantity.to_string());
            query
                .append_pair("product_id", line.product_id)
                .append_pair("product_name", line.product_name)
                .append_pair("category", line.category)
                .append_pair("price", &format!("{:.2}", line.price))
                .append_pair("currency", line.currency)
                .extend_pairs(quantity.map(|quantity| ("quantity", quantity)));
        }
        let ids = [("order_id", &self.order_id), ("user_id", &self.user_id)];
        for (name, value) in ids {
            query.extend_pairs(value.as_deref().map(|value| (name, value)));
        }
        query.extend_pairs(page.iter().filter(|(_, value)| !value.is_empty()));
        query.finish()
    }
}

fn new_id(clock: &SharedClock) -> String {
    identity::generate_id(&**clock).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::goods;

    /// The click that the edge makes of a pixel.
    fn by_pixel(pixel: &str) -> serde_json::Value {
        let query = pixel.strip_prefix("/pixel.gif?").unwrap();
        serde_json::from_slice(&crate::accept::pixel::click(query).unwrap()).unwrap()
    }

    #[test]
    fn both_forms_are_the_same_clicks() {
        let clock = topic::clock::system();
        let lines: Vec<_> = [(0, 2), (3, 1)]
            .map(|(n, quantity)| BasketLine {
                good: &goods::all()[n],
                quantity,
            })
            .into();
        let click = ShopClick::new("buy", &clock).with(&lines, &clock);
        let click = click.ordered("W-1".into());
        let pixels = click.pixels(&[("visitor_id", "v & w"), ("referrer", "")]);
        assert_eq!(pixels.len(), 2);
        let by_script: serde_json::Value = serde_json::from_str(&click.json()).unwrap();
        for (pixel, item) in pixels.iter().zip(by_script["items"].as_array().unwrap()) {
            let by_pixel = by_pixel(pixel);
            for (field, value) in item.as_object().unwrap() {
                assert_eq!(by_pixel[field], *value, "{field}");
            }
            assert_eq!(by_pixel["order_id"], by_script["order_id"]);
            assert_eq!(by_pixel["action"], by_script["action"]);
            assert_eq!(by_pixel["visitor_id"], "v & w");
            assert_eq!(by_pixel.get("referrer"), None);
        }
        // One line needs no items.
        let click = ShopClick::new("buy", &clock).with(&lines[..1], &clock);
        let by_script: serde_json::Value = serde_json::from_str(&click.json()).unwrap();
        let by_pixel = by_pixel(&click.pixels(&[])[0]);
        for (field, value) in by_script.as_object().unwrap() {
            assert_eq!(by_pixel[field], *value, "{field}");
        }
        let plain = ShopClick::new("browse", &clock);
        assert_eq!(plain.json(), r#"{"action":"browse"}"#);
        assert_eq!(plain.pixels(&[]).len(), 1);
    }
}
