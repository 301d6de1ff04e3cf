//! A click that a page carries: as data for its script, and as a pixel for a browser
//! without scripts.

use serde::Serialize;
use topic::clock::SharedClock;
use url::form_urlencoded::Serializer;

use super::account::Customer;
use super::goods::Good;
use crate::accept::identity;

/// The fields of a click that the server knows. The browser adds the rest.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShopClick {
    /// The id in the pixel. The script makes its own.
    #[serde(skip)]
    id: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
}

impl ShopClick {
    pub(super) fn new(action: &'static str, clock: &SharedClock) -> Self {
        Self {
            id: identity::generate_id(&**clock).to_string(),
            action,
            product_id: None,
            product_name: None,
            category: None,
            price: None,
            currency: None,
            quantity: None,
            order_id: None,
            user_id: None,
        }
    }

    /// Names the good that was viewed or bought.
    pub(super) fn of(self, good: &Good) -> Self {
        Self {
            product_id: Some(good.id),
            product_name: Some(good.name),
            category: Some(good.category),
            price: Some(good.price()),
            currency: Some(super::goods::CURRENCY),
            ..self
        }
    }

    /// Names what was bought, and in which order.
    pub(super) fn bought(self, quantity: u32, order: String) -> Self {
        Self {
            quantity: Some(quantity),
            order_id: Some(order),
            ..self
        }
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

    /// Returns the order, quantity and name of what was bought; `None` if this is no
    /// purchase.
    pub(super) fn order(&self) -> Option<(&str, u32, &str)> {
        Some((
            self.order_id.as_deref()?,
            self.quantity?,
            self.product_name?,
        ))
    }

    /// Returns the click as data for the script.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers")
    }

    /// Returns the click as the address of a pixel, with the fields of the page that the
    /// server knows.
    pub(super) fn pixel(&self, page: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::from("/pixel.gif?"));
        query
            .append_pair("id", &self.id)
            .append_pair("action", self.action);
        let price = self.price.map(|price| format!("{price:.2}"));
        let quantity = self.quantity.map(|quantity| quantity.to_string());
        let fields = [
            ("product_id", self.product_id),
            ("product_name", self.product_name),
            ("category", self.category),
            ("price", price.as_deref()),
            ("currency", self.currency),
            ("quantity", quantity.as_deref()),
            ("order_id", self.order_id.as_deref()),
            ("user_id", self.user_id.as_deref()),
        ];
        for (name, value) in fields {
            query.extend_pairs(value.map(|value| (name, value)));
        }
        query.extend_pairs(page.iter().filter(|(_, value)| !value.is_empty()));
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::goods;

    #[test]
    fn both_forms_are_the_same_click() {
        let good = &goods::all()[0];
        let click = ShopClick::new("buy", &topic::clock::system())
            .of(good)
            .bought(2, "W-1".into());
        let query = click.pixel(&[("visitor_id", "v & w"), ("referrer", "")]);
        let query = query.strip_prefix("/pixel.gif?").unwrap();
        let by_pixel: serde_json::Value =
            serde_json::from_slice(&crate::accept::pixel::click(query).unwrap()).unwrap();
        let by_script: serde_json::Value = serde_json::from_str(&click.json()).unwrap();
        for (field, value) in by_script.as_object().unwrap() {
            assert_eq!(by_pixel[field], *value, "{field}");
        }
        assert_eq!(by_pixel["visitor_id"], "v & w");
        assert_eq!(by_pixel.get("referrer"), None);
    }
}
