//! The forms in which an answer to SQL leaves.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap};
use catalog::Rows;

use crate::http::problem::Problem;

/// One form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    Arrow,
    Parquet,
}

impl Format {
    /// All of them, by their words in a URL, the ends of files.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("arrow", Self::Arrow),
        ("parquet", Self::Parquet),
    ];

    /// What the URL says, else the first of the header's `Accept` that there is, else JSON.
    pub(crate) fn wanted(word: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(word) = word.filter(|word| !word.is_empty()) {
            let found = Self::ALL.iter().find(|(known, _)| *known == word);
            return found.map(|&(_, format)| format).ok_or_else(|| {
                Problem::invalid(
                    format!("format {word:?} is not known"),
                    "write json, csv, arrow or parquet",
                )
            });
        }
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        let kinds = accept.into_iter().flat_map(|kinds| kinds.split(','));
        let named = kinds.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let found = named.filter_map(|kind| {
            let same = |&(_, format): &(_, Self)| (format.kind() == kind).then_some(format);
            Self::ALL.iter().find_map(same)
        });
        Ok(found.into_iter().next().unwrap_or(Self::Json))
    }

    /// Its media type.
    const fn kind(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The answer. Whether rows were cut off stands in a header, since only JSON has a place
    /// for it.
    pub(crate) fn answer(self, rows: &Rows) -> Result<HttpResponse, Problem> {
        let body = match self {
            Self::Json => rows.json().into_bytes(),
            Self::Csv => rows.csv().into_bytes(),
            Self::Arrow => rows.arrow()?,
            Self::Parquet => rows.parquet()?,
        };
        let mut response = HttpResponse::Ok();
        let kind = match self {
            Self::Csv => "text/csv; charset=utf-8",
            other => other.kind(),
        };
        response
            .insert_header((header::CONTENT_TYPE, kind))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header(("clickweir-truncated", rows.truncated.to_string()));
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
        let check = |word: Option<&str>, accept: Option<&'static str>, expect: Format| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            let format = Format::wanted(word, &headers).unwrap();
            assert_eq!(format, expect, "{word:?} {accept:?}");
        };
        check(None, None, Format::Json);
        check(None, Some("*/*"), Format::Json);
        check(
            None,
            Some("text/html, text/csv;q=0.9, application/json"),
            Format::Csv,
        );
        check(
            None,
            Some("application/vnd.apache.arrow.stream"),
            Format::Arrow,
        );
        check(Some("parquet"), Some("text/csv"), Format::Parquet);
        check(Some(""), Some("text/csv"), Format::Csv);
        let refused = Format::wanted(Some("xml"), &HeaderMap::new()).unwrap_err();
        assert!(refused.remedy.contains("parquet"), "{}", refused.remedy);
    }
}
