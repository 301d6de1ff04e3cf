//! Commands of the owner's shell.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::command::Commands;
use crate::http::problem::{self, Problem};
use crate::site::Site;

/// `POST /command/{name}`: for the owner's shell only.
pub(crate) async fn run(
    site: Data<Site>,
    request: HttpRequest,
    name: Path<String>,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let commands: &Commands = &site.sources.commands;
    let header = request.headers().get(header::AUTHORIZATION);
    if !commands.admits(header.map(HeaderValue::as_bytes)) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "commands are for the owner of this process",
            "send the token of its owner.json as `Authorization: Bearer …`",
        ));
    }
    let Some(command) = commands.get(&name) else {
        let known: Vec<_> = commands.names().collect();
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no command {:?}", name.as_str()),
            &format!("known are: {}", known.join(", ")),
        ));
    };
    Ok(problem::json(&command(body.into_inner()).await?))
}
