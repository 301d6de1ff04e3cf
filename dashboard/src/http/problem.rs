//! Refusals and failures: what went wrong and what to do, as JSON for programs and as a page
//! for people.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use serde::Serialize;
use serde_json::json;

use crate::command::CommandError;
use crate::http::nav::Nav;
use crate::http::reply;
use crate::view::human;

/// A refusal or a failure. As an answer it is the JSON object `{error, remedy}`.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    /// What went wrong: lowercase, without a full stop.
    pub(crate) error: String,
    /// What to do about it, written the same way; empty if there is nothing to advise.
    pub(crate) remedy: String,
    /// Addresses that would have been right, for a page: query, label, and whether it is
    /// chosen.
    #[serde(skip)]
    pub(crate) choices: Vec<(String, &'static str, bool)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl fmt::Display, remedy: &str) -> Self {
        Self {
            status,
            error: error.to_string(),
            remedy: remedy.to_owned(),
            choices: Vec::new(),
        }
    }

    /// 404 for a path that leads nowhere.
    pub(crate) fn not_found(path: &str) -> Self {
        let error = format!("there is nothing at {path}");
        Self::new(
            StatusCode::NOT_FOUND,
            error,
            "the dashboard is at /, SQL at /sql, the pipeline at /pipeline, the list of the API at /api",
        )
    }

    /// 400 for a request that must be changed.
    pub(crate) fn invalid(error: impl fmt::Display, remedy: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, remedy)
    }

    /// 503 for a request that must wait until others have ended.
    pub(crate) fn busy(error: impl fmt::Display) -> Self {
        let remedy = "try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, remedy)
    }

    /// The same with addresses to choose from.
    pub(crate) fn with_choices(self, choices: Vec<(String, &'static str, bool)>) -> Self {
        Self { choices, ..self }
    }

    /// The answer to a request for `path`: JSON under `/api` and `/command`, JSON as its clients
    /// know it under `/iceberg`, else a page.
    pub(crate) fn response(self, path: &str) -> HttpResponse {
        if path.starts_with("/api/") || path.starts_with("/command/") {
            self.error_response()
        } else if path.starts_with("/iceberg/") {
            IcebergProblem(self).error_response()
        } else {
            PageProblem(self).error_response()
        }
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
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        response.json(self)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Invalid(_) => {
                Self::new(StatusCode::BAD_REQUEST, error, "fix the request")
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
    /// An error that the client can fix is sent in full. One that only an operator can fix is
    /// logged.
    fn from(error: catalog::Error) -> Self {
        use catalog::Error;
        match &error {
            Error::Refused(_) => Self::new(
                StatusCode::FORBIDDEN,
                error,
                "write one statement that reads the catalog's own tables",
            ),
            Error::Invalid(_) => Self::invalid(error, "fix the query and run it again"),
            Error::TimedOut(limit) => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("stopped after {}", human::duration(*limit)),
                "ask for a shorter range",
            ),
            Error::TooLarge { what, remedy } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, what, remedy)
            }
            Error::Busy { places, waited } => Self::busy(format!(
                "all {places} places for work of this kind were taken for {}",
                human::duration(*waited)
            )),
            Error::InUse { .. } | Error::Lake(_) | Error::Unavailable(_) => {
                tracing::error!(%error, "the catalog does not answer the dashboard");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the catalog is not available right now",
                    "try again in a moment; the log says why",
                )
            }
        }
    }
}

/// A problem in the words of the Iceberg REST catalog: `{error: {message, type, code}}`.
#[derive(Debug)]
pub(crate) struct IcebergProblem(Problem);

impl From<Problem> for IcebergProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<catalog::Error> for IcebergProblem {
    fn from(error: catalog::Error) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for IcebergProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for IcebergProblem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let Problem {
            status,
            error,
            remedy,
            ..
        } = &self.0;
        let kind = match *status {
            StatusCode::UNAUTHORIZED => "NotAuthorizedException",
            StatusCode::FORBIDDEN => "ForbiddenException",
            StatusCode::NOT_FOUND if error.contains("namespace") => "NoSuchNamespaceException",
            StatusCode::NOT_FOUND => "NoSuchTableException",
            StatusCode::METHOD_NOT_ALLOWED => "UnsupportedOperationException",
            status if status.is_server_error() => "ServiceUnavailableException",
            _ => "BadRequestException",
        };
        let message = match remedy.is_empty() {
            true => error.clone(),
            false => format!("{error}: {remedy}"),
        };
        let said = json!({"message": message, "type": kind, "code": status.as_u16()});
        HttpResponse::build(*status).json(json!({"error": said}))
    }
}

/// A problem whose answer is a page.
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
            status if status.is_server_error() => "Not available right now",
            _ => "This page could not be shown",
        };
        let page = ProblemPage {
            nav: Nav::default(),
            title,
            error: human::sentence(&self.0.error),
            remedy: human::sentence(&self.0.remedy),
            choices: &self.0.choices,
        };
        reply::html(self.0.status, &page)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'p> {
    nav: Nav,
    title: &'p str,
    error: String,
    remedy: String,
    choices: &'p [(String, &'static str, bool)],
}
