//! The formats in which the result of a query can be sent.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use catalog::Rows;

use crate::http::problem::Problem;

/// The header that says whether rows were cut off an answer.
pub(crate) const TRUNCATED: HeaderName = HeaderName::from_static("clickweir-truncated");

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultFormat {
    Json,
    Csv,
    Arrow,
    Parquet,
}

impl ResultFormat {
    /// All formats, by their words in a URL, which are also the files' extensions.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("arrow", Self::Arrow),
        ("parquet", Self::Parquet),
    ];

    /// The format that the URL names, else the first one that the `Accept` header names, else
    /// JSON.
    ///
    /// # Errors
    /// 400 if the URL names another.
    pub(crate) fn wanted(word: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(word) = word.filter(|word| !word.is_empty()) {
            let found = Self::ALL.iter().find(|(known, _)| *known == word);
            return found.map(|&(_, format)| format).ok_or_else(|| {
                Problem::invalid(
                    format!("unknown format '{word}'"),
                    "choose json, csv, arrow or parquet",
                )
            });
        }
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        let kinds = accept.into_iter().flat_map(|kinds| kinds.split(','));
        let named = kinds.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let found = named.filter_map(|kind| {
            let same = |&(_, format): &(_, Self)| (format.media_type() == kind).then_some(format);
            Self::ALL.iter().find_map(same)
        });
        Ok(found.into_iter().next().unwrap_or(Self::Json))
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The answer. A header says whether rows were cut off, because only JSON has a field for
    /// it.
    pub(crate) fn response(self, rows: &Rows) -> Result<HttpResponse, Problem> {
        let body = match self {
            Self::Json => rows.json().into_bytes(),
            Self::Csv => rows.csv().into_bytes(),
            Self::Arrow => rows.arrow()?,
            Self::Parquet => rows.parquet()?,
        };
        let mut response = HttpResponse::Ok();
        let kind = match self {
            Self::Csv => "text/csv; charset=utf-8",
            other => other.media_type(),
        };
        response
            .insert_header((header::CONTENT_TYPE, kind))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((TRUNCATED, rows.truncated.to_string()));
        if self != Self::Json {
            let word = Self::ALL.iter().find(|(_, format)| *format == self);
            let (word, _) = word.expect("every format has its word");
            let file = format!("attachment; filename=\"query.{word}\"");
            response.insert_header((header::CONTENT_DISPOSITION, file));
        }
        Ok(response.body(body))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_url_decides_then_the_header_then_it_is_json() {
        let check = |word: Option<&str>, accept: Option<&'static str>, expect: ResultFormat| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            let format = ResultFormat::wanted(word, &headers).unwrap();
            assert_eq!(format, expect, "{word:?} {accept:?}");
        };
        check(None, None, ResultFormat::Json);
        check(None, Some("*/*"), ResultFormat::Json);
        check(
            None,
            Some("text/html, text/csv;q=0.9, application/json"),
            ResultFormat::Csv,
        );
        check(
            None,
            Some("application/vnd.apache.arrow.stream"),
            ResultFormat::Arrow,
        );
        check(Some("parquet"), Some("text/csv"), ResultFormat::Parquet);
        check(Some(""), Some("text/csv"), ResultFormat::Csv);
        let refused = ResultFormat::wanted(Some("xml"), &HeaderMap::new()).unwrap_err();
        assert!(refused.remedy.contains("parquet"), "{}", refused.remedy);
    }
}
