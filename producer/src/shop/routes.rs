//! The shop's pages and forms, by their paths.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};

use super::account::Customer;
use super::checkout;
use super::click::ShopClick;
use super::form::FormFields;
use super::goods;
use super::page::{AccountForm, AccountPage, Frame, ListPage, ProductPage, ThanksPage};
use super::reply::{answer, missing, redirect};
use super::session::ShopVisitor;
use super::state::Shop;
use crate::http::answer::{get, only_get, resource, wrong_method};
use crate::http::assets::{JAVASCRIPT, asset};
use crate::http::state::EdgeState;

const TOO_MANY_GUESSES: &str = "Too many tries. Come back in a quarter of an hour.";
const NO_ACCOUNT: &str = "No account has this name and password.";

/// Adds the shop's pages, at `/` and below.
pub(crate) fn configure(app: &mut ServiceConfig, shop: Data<Shop>) {
    app.app_data(shop)
        .service(asset(
            "/shop.js",
            JAVASCRIPT,
            include_str!("../../assets/shop.js"),
        ))
        .service(asset(
            "/shop.css",
            "text/css; charset=utf-8",
            include_str!("../../assets/shop.css"),
        ))
        .service(asset(
            "/shop.svg",
            "image/svg+xml",
            include_str!("../../assets/shop.svg"),
        ))
        .service(only_get("/", browse))
        .service(only_get("/product/{id}", view))
        .service(only_get("/thanks", thanks))
        .service(only_post("/buy", web::post().to(checkout::buy)))
        .service(only_get("/basket", checkout::basket))
        .service(only_post("/basket/add", web::post().to(checkout::add)))
        .service(only_post(
            "/basket/remove",
            web::post().to(checkout::remove),
        ))
        .service(get_and_post(
            "/checkout",
            get(checkout::begin),
            web::post().to(checkout::order),
        ))
        .service(only_post("/log-out", web::post().to(log_out)))
        .service(get_and_post(
            "/sign-up",
            get(sign_up_form),
            web::post().to(sign_up),
        ))
        .service(get_and_post(
            "/log-in",
            get(log_in_form),
            web::post().to(log_in),
        ));
}

fn only_post(path: &str, post: Route) -> Resource {
    let other = web::to(|| async { wrong_method("POST") });
    resource(path).route(post).default_service(other)
}

fn get_and_post(path: &str, get: Route, post: Route) -> Resource {
    let other = web::to(|| async { wrong_method("GET, HEAD, POST") });
    resource(path).route(get).route(post).default_service(other)
}

async fn browse(state: Data<EdgeState>, shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let visitor = shop.visitor(&state, &request);
    let click = ShopClick::new("browse", state.edge.clock());
    let page = ListPage {
        frame: Frame::new(&request, &visitor, vec![click]),
        goods: goods::all(),
    };
    answer(StatusCode::OK, &visitor, &page)
}

async fn view(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let visitor = shop.visitor(&state, &request);
    let Some(good) = goods::find(&id) else {
        return missing(&request, &visitor);
    };
    let click = ShopClick::new("view", state.edge.clock()).of(good);
    let frame = Frame::new(&request, &visitor, vec![click]);
    answer(StatusCode::OK, &visitor, &ProductPage { frame, good })
}

async fn thanks(state: Data<EdgeState>, shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let visitor = shop.visitor(&state, &request);
    let frame = Frame::new(&request, &visitor, Vec::new());
    answer(StatusCode::OK, &visitor, &ThanksPage { frame })
}

async fn sign_up_form(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
) -> HttpResponse {
    let visitor = shop.visitor(&state, &request);
    account_form(&request, &visitor, AccountForm::SignUp, "")
}

async fn log_in_form(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
) -> HttpResponse {
    let visitor = shop.visitor(&state, &request);
    account_form(&request, &visitor, AccountForm::LogIn, "")
}

async fn sign_up(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    enter(&state, &shop, &request, payload, AccountForm::SignUp).await
}

async fn log_in(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    enter(&state, &shop, &request, payload, AccountForm::LogIn).await
}

/// Opens an account or finds one, and logs its customer in.
async fn enter(
    state: &Data<EdgeState>,
    shop: &Data<Shop>,
    request: &HttpRequest,
    payload: Payload,
    form: AccountForm,
) -> HttpResponse {
    let fields = match FormFields::read(state, request, payload).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let mut visitor = shop.visitor(state, request);
    let name = fields.get("name").trim().to_owned();
    let password = fields.get("password").to_owned();
    let now = state.edge.clock().now();
    let Some(guess) = shop.guesses.begin(&name, state.client(request), now) else {
        return account_form(request, &visitor, form, TOO_MANY_GUESSES);
    };
    match look(shop, name, password, form).await {
        Ok(customer) => {
            shop.guesses.right(&guess);
            let action = match form {
                AccountForm::SignUp => "sign_up",
                AccountForm::LogIn => "log_in",
            };
            shop.log_in(state, &mut visitor, customer, action);
            redirect(&visitor, "/")
        }
        Err(complaint) => account_form(request, &visitor, form, complaint),
    }
}

/// Looks into the accounts on a blocking thread, because a password's hash takes as long
/// as many clicks.
async fn look(
    shop: &Data<Shop>,
    name: String,
    password: String,
    form: AccountForm,
) -> Result<Customer, &'static str> {
    let shop = shop.clone();
    web::block(move || match form {
        AccountForm::SignUp => shop.accounts.open(&name, &password),
        AccountForm::LogIn => shop.accounts.find(&name, &password).ok_or(NO_ACCOUNT),
    })
    .await
    .expect("a password's hash does not panic")
}

async fn log_out(
    state: Data<EdgeState>,
    shop: Data<Shop>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    if let Err(answer) = FormFields::read(&state, &request, payload).await {
        return answer;
    }
    let mut visitor = shop.visitor(&state, &request);
    shop.log_out(&state, &mut visitor);
    redirect(&visitor, "/")
}

fn account_form(
    request: &HttpRequest,
    visitor: &ShopVisitor,
    form: AccountForm,
    complaint: &'static str,
) -> HttpResponse {
    let status = match complaint {
        "" => StatusCode::OK,
        TOO_MANY_GUESSES => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let page = AccountPage {
        frame: Frame::new(request, visitor, Vec::new()),
        form,
        complaint,
    };
    answer(status, visitor, &page)
}
