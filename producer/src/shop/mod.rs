//! The demo shop: pages whose every action is a click, with scripts or without.
//!
//! A page shows its clicks in two ways: as data that `shop.js` sends, and as pixels
//! inside `<noscript>`, which a browser that runs scripts does not load. Forms are
//! answered with a redirect, and their click stands on the page that follows.

mod account;
mod click;
pub(crate) mod goods;
mod page;
mod session;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, Data, Form, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Route};
use askama::Template;
use parking_lot::Mutex;

use crate::accept::identity;
use crate::http::state::{Door, only_get, text_of, wrong_method};
use account::Accounts;
use click::Click;
use page::{Details, Enter, Entry, Frame, List, Missing, Thanks};
use session::{Session, Sessions, Visit};

/// What the shop remembers, in memory and bounded.
#[derive(Default)]
pub(crate) struct Shop {
    accounts: Accounts,
    sessions: Mutex<Sessions>,
}

type Fields = Form<BTreeMap<String, String>>;

/// The script for any site's pages, and the shop's pages where they are wanted.
pub(crate) fn routes(app: &mut ServiceConfig, shop: bool) {
    let script = "text/javascript; charset=utf-8";
    app.service(asset(
        "/clickweir.js",
        script,
        include_str!("../../assets/clickweir.js"),
    ));
    if !shop {
        return;
    }
    let forms = web::FormConfig::default()
        .limit(4_096)
        .error_handler(|error, _| {
            let refused = HttpResponse::BadRequest().json(BTreeMap::from([
                ("error", error.to_string()),
                ("remedy", "send the form as the shop's page does".into()),
            ]));
            actix_web::error::InternalError::from_response(error, refused).into()
        });
    let both = |path: &str, get: Route, post: Route| {
        let other = web::to(|| async { wrong_method("GET, POST") });
        web::resource(path)
            .route(get)
            .route(post)
            .default_service(other)
    };
    let only_post = |path: &str, post: Route| {
        web::resource(path)
            .route(post)
            .default_service(web::to(|| async { wrong_method("POST") }))
    };
    app.app_data(forms)
        .service(asset(
            "/shop.js",
            script,
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
        .service(only_get("/", web::get().to(browse)))
        .service(only_get("/product/{id}", web::get().to(view)))
        .service(only_get("/thanks", web::get().to(thanks)))
        .service(only_post("/buy", web::post().to(buy)))
        .service(only_post("/log-out", web::post().to(log_out)))
        .service(both(
            "/sign-up",
            web::get().to(sign_up_form),
            web::post().to(sign_up),
        ))
        .service(both(
            "/log-in",
            web::get().to(log_in_form),
            web::post().to(log_in),
        ));
}

fn asset(path: &str, kind: &'static str, text: &'static str) -> actix_web::Resource {
    let answer = move || async move {
        let cached = (header::CACHE_CONTROL, "public, max-age=300");
        HttpResponse::Ok()
            .content_type(kind)
            .insert_header(cached)
            .body(text)
    };
    only_get(path, web::get().to(answer))
}

async fn browse(door: Data<Door>, shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    let frame = Frame::new(
        &request,
        &visit,
        vec![Click::new("browse", door.edge.clock())],
    );
    page(
        StatusCode::OK,
        &visit,
        &List {
            frame,
            goods: goods::all(),
        },
    )
}

async fn view(
    door: Data<Door>,
    shop: Data<Shop>,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    let Some(good) = goods::find(&id) else {
        let frame = Frame::new(&request, &visit, Vec::new());
        return page(StatusCode::NOT_FOUND, &visit, &Missing { frame });
    };
    let click = Click::new("view", door.edge.clock()).of(good);
    let frame = Frame::new(&request, &visit, vec![click]);
    page(StatusCode::OK, &visit, &Details { frame, good })
}

async fn thanks(door: Data<Door>, shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    let frame = Frame::new(&request, &visit, Vec::new());
    page(StatusCode::OK, &visit, &Thanks { frame })
}

async fn buy(
    door: Data<Door>,
    shop: Data<Shop>,
    request: HttpRequest,
    fields: Fields,
) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    let good = fields.get("product_id").and_then(|id| goods::find(id));
    let quantity = fields.get("quantity").and_then(|text| text.parse().ok());
    let (Some(good), Some(quantity @ 1..=9)) = (good, quantity) else {
        let frame = Frame::new(&request, &visit, Vec::new());
        return page(StatusCode::NOT_FOUND, &visit, &Missing { frame });
    };
    let made = identity::made(&**door.edge.clock()).simple().to_string();
    let order = format!("W-{}", made[made.len() - 12..].to_uppercase());
    let click = Click::new("buy", door.edge.clock())
        .of(good)
        .bought(quantity, order);
    shop.change(&visit, |session| session.wait(click));
    redirect(&visit, "/thanks")
}

async fn sign_up_form(door: Data<Door>, shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    entry(&request, &visit, Enter::SignUp, "")
}

async fn log_in_form(door: Data<Door>, shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    entry(&request, &visit, Enter::LogIn, "")
}

async fn sign_up(
    door: Data<Door>,
    shop: Data<Shop>,
    request: HttpRequest,
    fields: Fields,
) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    let (name, password) = credentials(&fields);
    match shop.accounts.open(name, password) {
        Ok(account) => shop.enter(&door, &visit, account, "sign_up"),
        Err(sentence) => entry(&request, &visit, Enter::SignUp, sentence),
    }
}

async fn log_in(
    door: Data<Door>,
    shop: Data<Shop>,
    request: HttpRequest,
    fields: Fields,
) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    let (name, password) = credentials(&fields);
    match shop.accounts.find(name, password) {
        Some(account) => shop.enter(&door, &visit, account, "log_in"),
        None => entry(
            &request,
            &visit,
            Enter::LogIn,
            "No account has this name and password.",
        ),
    }
}

async fn log_out(door: Data<Door>, shop: Data<Shop>, request: HttpRequest) -> HttpResponse {
    let visit = shop.visit(&door, &request);
    let click = Click::new("log_out", door.edge.clock()).by(visit.session.account.as_ref());
    shop.change(&visit, |session| {
        // Only who is in can go out; a second press is not another click.
        if session.account.take().is_some() {
            session.wait(click);
        }
    });
    redirect(&visit, "/")
}

impl Shop {
    /// The visit that this request belongs to, with the clicks that waited for it.
    fn visit(&self, door: &Door, request: &HttpRequest) -> Visit {
        let cookies = text_of(request, header::COOKIE).unwrap_or_default();
        self.sessions.lock().visit(
            cookies,
            &**door.edge.clock(),
            request.method().as_str() == "GET",
        )
    }

    fn change(&self, visit: &Visit, change: impl FnOnce(&mut Session)) {
        self.sessions.lock().change(&visit.token, change);
    }

    fn enter(
        &self,
        door: &Door,
        visit: &Visit,
        account: account::Account,
        action: &'static str,
    ) -> HttpResponse {
        let click = Click::new(action, door.edge.clock()).by(Some(&account));
        self.change(visit, |session| {
            session.account = Some(account);
            session.wait(click);
        });
        redirect(visit, "/")
    }
}

fn credentials(fields: &BTreeMap<String, String>) -> (&str, &str) {
    let field = |name| fields.get(name).map_or("", String::as_str);
    (field("name").trim(), field("password"))
}

fn entry(
    request: &HttpRequest,
    visit: &Visit,
    form: Enter,
    sentence: &'static str,
) -> HttpResponse {
    let status = match sentence {
        "" => StatusCode::OK,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let frame = Frame::new(request, visit, Vec::new());
    page(
        status,
        visit,
        &Entry {
            frame,
            form,
            sentence,
        },
    )
}

fn page(status: StatusCode, visit: &Visit, page: &impl Template) -> HttpResponse {
    let html = page.render().expect("the templates write text into memory");
    let mut answer = HttpResponse::build(status);
    for cookie in visit.cookies() {
        answer.append_header((header::SET_COOKIE, cookie));
    }
    answer
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "strict-origin-when-cross-origin"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ))
        .body(html)
}

/// 303: the browser gets the page that follows, and a reload sends no form again.
fn redirect(visit: &Visit, to: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    for cookie in visit.cookies() {
        answer.append_header((header::SET_COOKIE, cookie));
    }
    answer.insert_header((header::LOCATION, to)).finish()
}

#[cfg(test)]
mod tests;
