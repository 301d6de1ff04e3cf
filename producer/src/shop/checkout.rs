//! The way from a good to an order: the basket, the checkout and the purchase.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use topic::clock::SharedClock;

use super::basket::{BasketLine, MAX_QUANTITY};
use super::click::ShopClick;
use super::form::FormFields;
use super::goods::{self, Good};
use super::page::{BasketPage, CheckoutPage, Frame};
use super::reply::{answer, missing, redirect};
use super::state::Shop;
use crate::accept::identity;
use crate::http::state::EdgeState;

/// Shows what is in the basket.
pub(super) async fn basket(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
) -> HttpResponse {
    let visitor = shop.visitor(&state, &request);
    let page = BasketPage {
        frame: Frame::new(&request, &visitor, Vec::new()),
        basket: visitor.session.basket.clone(),
    };
    answer(StatusCode::OK, &visitor, &page)
}

/// Puts so many of a good into the basket.
pub(super) async fn add(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let fields = match FormFields::read(&state, &request, payload).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let visitor = shop.visitor(&state, &request);
    let Some(BasketLine { good, quantity }) = chosen(&fields) else {
        return missing(&request, &visitor);
    };
    let clock = state.edge.clock();
    shop.change(&visitor, |session| {
        let quantity = session.basket.add(good, quantity);
        if quantity > 0 {
            let click = ShopClick::new("add_to_cart", clock);
            session.show_next(click.with(&[BasketLine { good, quantity }], clock));
        }
    });
    redirect(&visitor, "/basket")
}

/// Takes a good out of the basket.
pub(super) async fn remove(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let fields = match FormFields::read(&state, &request, payload).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let visitor = shop.visitor(&state, &request);
    let Some(good) = goods::find(fields.get("product_id")) else {
        return missing(&request, &visitor);
    };
    let clock = state.edge.clock();
    shop.change(&visitor, |session| {
        if let Some(line) = session.basket.remove(good) {
            let click = ShopClick::new("remove_from_cart", clock);
            session.show_next(click.with(&[line], clock));
        }
    });
    redirect(&visitor, "/basket")
}

/// Shows what an order would be.
pub(super) async fn begin(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
) -> HttpResponse {
    let visitor = shop.visitor(&state, &request);
    let basket = visitor.session.basket.clone();
    if basket.count() == 0 {
        return redirect(&visitor, "/basket");
    }
    let clock = state.edge.clock();
    let click = ShopClick::new("begin_checkout", clock).with(basket.lines(), clock);
    let frame = Frame::new(&request, &visitor, vec![click]);
    answer(StatusCode::OK, &visitor, &CheckoutPage { frame, basket })
}

/// Buys what is in the basket. It is empty afterwards, so a second press buys nothing.
pub(super) async fn order(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    if let Err(answer) = FormFields::read(&state, &request, payload).await {
        return answer;
    }
    let visitor = shop.visitor(&state, &request);
    let is_bought = shop.change(&visitor, |session| {
        let lines = session.basket.empty();
        if !lines.is_empty() {
            session.show_next(purchase(&lines, state.edge.clock()));
        }
        !lines.is_empty()
    });
    match is_bought {
        Some(true) => redirect(&visitor, "/thanks"),
        _ => redirect(&visitor, "/basket"),
    }
}

/// Buys so many of one good, without the basket.
pub(super) async fn buy(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let fields = match FormFields::read(&state, &request, payload).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let visitor = shop.visitor(&state, &request);
    let Some(line) = chosen(&fields) else {
        return missing(&request, &visitor);
    };
    let click = purchase(&[line], state.edge.clock());
    shop.change(&visitor, |session| session.show_next(click));
    redirect(&visitor, "/thanks")
}

/// Returns the good and the quantity that a form names; `None` if the shop does not have them.
fn chosen(fields: &FormFields) -> Option<BasketLine> {
    let good: &'static Good = goods::find(fields.get("product_id"))?;
    let quantity = fields.get("quantity").parse().ok()?;
    (1..=MAX_QUANTITY)
        .contains(&quantity)
        .then_some(BasketLine { good, quantity })
}

/// Makes the click of an order, under a new number.
fn purchase(lines: &[BasketLine], clock: &SharedClock) -> ShopClick {
    let id = identity::generate_id(&**clock).simple().to_string();
    let order = format!("W-{}", id[id.len() - 12..].to_uppercase());
    ShopClick::new("buy", clock)
        .with(lines, clock)
        .ordered(order)
}
