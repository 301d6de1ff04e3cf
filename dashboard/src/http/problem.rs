//! What callers read when something is not to be had: a reason and a remedy, as JSON where a
//! program asks and as a page where a person does.

use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use serde::Serialize;

use crate::command::CommandError;
use crate::http::nav::Nav;

/// A refusal or a failure, told as JSON `{error, remedy}`.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    /// What is wrong, in words.
    pub(crate) error: String,
    /// What to do about it; empty where nothing is known.
    pub(crate) remedy: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl fmt::Display, remedy: &str) -> Self {
        Self {
            status,
            error: error.to_string(),
            remedy: remedy.to_owned(),
        }
    }

    /// 404 for a path that leads nowhere.
    pub(crate) fn missing(path: &str) -> Self {
        let error = format!("there is nothing at {path}");
        Self::new(
            StatusCode::NOT_FOUND,
            error,
            "the dashboard is at /, SQL at /sql, the pipeline at /pipeline, the API under /api",
        )
    }

    /// 400 for a request that must be mended.
    pub(crate) fn invalid(error: impl fmt::Display, remedy: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, remedy)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::build(self.status).json(self)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Invalid(_) => {
                Self::new(StatusCode::BAD_REQUEST, error, "mend the request")
            }
            CommandError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error,
                "try again in a moment",
            ),
            CommandError::Failed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, ""),
        }
    }
}

impl From<catalog::Error> for Problem {
    /// What the asker can mend is told in full; what only an operator can is logged.
    fn from(error: catalog::Error) -> Self {
        use catalog::Error;
        let (status, remedy) = match &error {
            Error::Refused(_) => (
                StatusCode::FORBIDDEN,
                "write one statement that reads the catalog's own tables",
            ),
            Error::Invalid(_) => (StatusCode::BAD_REQUEST, "mend the query"),
            Error::TimedOut(_) => (StatusCode::REQUEST_TIMEOUT, "narrow the query"),
            Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "narrow the query"),
            Error::InUse { .. } | Error::Lake(_) | Error::Unavailable(_) => {
                tracing::error!(%error, "the catalog does not answer the dashboard");
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the catalog does not answer just now",
                    "try again in a moment; the log says why",
                );
            }
        };
        Self::new(status, error, remedy)
    }
}

/// The same, told as a page.
#[derive(Debug)]
pub(crate) struct PageProblem(pub(crate) Problem);

impl From<Problem> for PageProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl fmt::Display for PageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for PageProblem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let title = match self.0.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::METHOD_NOT_ALLOWED => "Not allowed",
            status if status.is_server_error() => "Not to be had just now",
            _ => "That cannot be shown",
        };
        let page = ProblemPage {
            nav: Nav::default(),
            title,
            error: &self.0.error,
            remedy: &self.0.remedy,
        };
        html(self.0.status, &page)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'p> {
    nav: Nav,
    title: &'p str,
    error: &'p str,
    remedy: &'p str,
}

/// A page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> HttpResponse {
    let text = page
        .render()
        .expect("a template over plain text and numbers renders");
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}

/// The address under which the page stands.
pub(crate) fn see(place: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, place))
        .finish()
}

/// A table as a CSV download.
pub(crate) fn csv(name: &str, text: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}

/// JSON that is never stored.
pub(crate) fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(value)
}
