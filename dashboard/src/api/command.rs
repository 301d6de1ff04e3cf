//! Commands from the owner's shell.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::command::Commands;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::site::Site;

/// `POST /command/{name}`: needs the owner's token. Without it nothing of the body is read.
pub(crate) async fn run(
    site: Data<Site>,
    request: HttpRequest,
    name: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let commands: &Commands = &site.sources.commands;
    let header = request.headers().get(header::AUTHORIZATION);
    if !commands.admits(header.map(HeaderValue::as_bytes)) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "commands need the token of this process's owner",
            "send the token in its owner.json as `Authorization: Bearer …`",
        ));
    }
    let Some(command) = commands.get(&name) else {
        let known: Vec<_> = commands.names().collect();
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("unknown command '{name}'"),
            &format!("the commands are {}", known.join(", ")),
        ));
    };
    let body = JsonBody::read(&site.bodies, &request, payload).await?;
    Ok(reply::json(&command(body.value).await?))
}
