//! The key of certificates.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;

use crate::http::problem::Problem;
use crate::site::Site;

/// `GET /certificate-key.pem`: the public half of the key that signs the lake's certificates.
pub(crate) async fn key(site: Data<Site>) -> Result<HttpResponse, Problem> {
    let key = site.catalog.certificate_key().await?;
    let key = key.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "this lake has signed no certificate",
            "the first erasure makes its key: clickweir forget",
        )
    })?;
    let mut answer = HttpResponse::Ok();
    Ok(answer.content_type("application/x-pem-file").body(key))
}
