//! The demo shop: pages whose every action is a click, with scripts or without.
//!
//! A page carries its clicks in two forms: as data that `shop.js` sends, and as pixels
//! inside `<noscript>`, which a browser that runs scripts does not load. The answer to a
//! form is a redirect, and the form's click is on the page that follows. An order of several lines
//! is one click with items for the script, and a pixel for each line.

mod account;
mod basket;
mod checkout;
mod click;
mod form;
pub(crate) mod goods;
mod guesses;
mod page;
mod reply;
mod routes;
mod session;
mod state;

pub(crate) use routes::configure;
pub(crate) use state::Shop;

#[cfg(test)]
mod tests;
