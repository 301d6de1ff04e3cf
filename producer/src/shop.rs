//! shop
use actix_web::web::ServiceConfig;
#[derive(Default)]
pub(crate) struct Accounts;
pub(crate) fn routes(_app: &mut ServiceConfig, _shop: bool) {}
