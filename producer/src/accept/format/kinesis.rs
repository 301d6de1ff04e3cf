//! Records that were put to a stream of Kinesis or Firehose, by the JSON of AWS's own clients:
//! `{"StreamName": …, "Records": [{"Data": …, "PartitionKey": …}]}`, or one of them alone. `Data`
//! is Base64. The public references are the API references of both services.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::wire::WireFormat;
use crate::accept::fault::parse_reason;
use crate::accept::fields::as_text;
use crate::accept::identity::{ClickIdentity, count_items, is_true};
use crate::accept::rejection::Rejection;
use crate::accept::scan::{self, MAX_DEPTH};
use crate::accept::split::{BodyItem, SplitBody, as_json_string};
use crate::accept::text::BodyText;
use crate::privacy::consent;

/// The records of one call.
pub(crate) struct Kinesis<'r> {
    /// The id that the client gives to a call and to all its attempts; `None` if it gives none.
    pub(crate) invocation: Option<&'r str>,
}

/// A call's body. Other fields of the two services say where a record is to be stored.
#[derive(Deserialize)]
struct Call<'b> {
    #[serde(borrow, default, rename = "StreamName", alias = "DeliveryStreamName")]
    stream: Option<Cow<'b, str>>,
    #[serde(borrow, default, rename = "StreamARN")]
    arn: Option<Cow<'b, str>>,
    #[serde(borrow, default, rename = "Records")]
    records: Option<Vec<PutRecord<'b>>>,
    #[serde(borrow, default, rename = "Record")]
    record: Option<PutRecord<'b>>,
    #[serde(borrow, default, rename = "Data")]
    data: Option<Cow<'b, str>>,
    #[serde(borrow, default, rename = "PartitionKey")]
    partition_key: Option<Cow<'b, str>>,
}

#[derive(Deserialize)]
struct PutRecord<'b> {
    #[serde(borrow, rename = "Data")]
    data: Cow<'b, str>,
    #[serde(borrow, default, rename = "PartitionKey")]
    partition_key: Option<Cow<'b, str>>,
}

/// A record as a click. Data that are an object of JSON stay byte for byte.
#[derive(Serialize)]
struct RecordClick<'b> {
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'b RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<&'b str>,
}

/// What the edge reads of a record's click.
#[derive(Deserialize)]
struct RecordFields<'c> {
    #[serde(borrow, default)]
    partition_key: Option<&'c RawValue>,
    #[serde(borrow, default)]
    data: Option<&'c RawValue>,
}

/// What the edge reads of data that are an object.
#[derive(Deserialize, Default)]
struct DataFields<'c> {
    #[serde(borrow, default)]
    visitor_id: Option<&'c RawValue>,
    #[serde(borrow, default)]
    items: Option<&'c RawValue>,
    #[serde(borrow, default)]
    consent: Option<&'c RawValue>,
    #[serde(borrow, default)]
    cookieless: Option<&'c RawValue>,
}

impl WireFormat for Kinesis<'_> {
    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        let text = body.as_str();
        scan::end(text.trim(), MAX_DEPTH).map_err(|fault| {
            Rejection::malformed(format!("the call is not JSON: {}", fault.reason))
        })?;
        let call: Call<'_> = serde_json::from_str(text).map_err(|error| {
            Rejection::malformed(format!("the call cannot be read: {}", parse_reason(&error)))
        })?;
        let stream = call.stream.or(call.arn);
        let one = call.data.map(|data| PutRecord {
            data,
            partition_key: call.partition_key,
        });
        let records = call.records.unwrap_or_default();
        let records: Vec<_> = records.into_iter().chain(call.record).chain(one).collect();
        if records.is_empty() {
            return Err(Rejection::malformed("the call puts no record"));
        }
        if records.len() > limit {
            return Err(Rejection::TooLarge {
                what: "the number of records",
                limit: limit.to_string(),
            });
        }
        let items = records
            .iter()
            .map(|record| click(record).map(|click| BodyItem::Click(Cow::Owned(click))));
        let shared = stream.map(|stream| {
            let shared = serde_json::json!({ "stream": stream }).to_string();
            RawValue::from_string(shared).expect("a text in an object is JSON")
        });
        Ok(SplitBody {
            items: items.collect::<Result<_, _>>()?,
            shared,
            visitor: None,
        })
    }

    fn personal(&self) -> &'static [&'static str] {
        &[
            "partition_key",
            "data.visitor_id",
            "data.session_id",
            "data.user_id",
        ]
    }

    fn identify<'c>(&self, index: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        let fields: RecordFields<'_> =
            serde_json::from_str(click.get()).map_err(|error| parse_reason(&error))?;
        let data: DataFields<'_> = fields
            .data
            .and_then(|data| serde_json::from_str(data.get()).ok())
            .unwrap_or_default();
        let visitor = data.visitor_id.and_then(as_text);
        Ok(ClickIdentity {
            id: self
                .invocation
                .map(|call| record_id(call, index).to_string().into()),
            visitor: visitor.or_else(|| fields.partition_key.and_then(as_text)),
            items: data.items.map_or(0, count_items),
            retried: false,
            is_refused: data.consent.is_some_and(consent::refuses),
            is_cookieless: data.cookieless.is_some_and(is_true),
        })
    }
}

/// Makes the id of a call's record: a UUIDv8 of the call's own id and the record's place, so that
/// each attempt of the call has the same.
pub(crate) fn record_id(invocation: &str, index: usize) -> Uuid {
    let digest = Sha256::new()
        .chain_update(invocation)
        .chain_update(b"/")
        .chain_update(index.to_string())
        .finalize();
    uuid::Builder::from_custom_bytes(std::array::from_fn(|place| digest[place])).into_uuid()
}

fn click(record: &PutRecord<'_>) -> Result<Box<RawValue>, Rejection> {
    let bytes = BASE64_STANDARD
        .decode(record.data.as_bytes())
        .map_err(|error| Rejection::malformed(format!("a record's Data is not Base64: {error}")))?;
    let text = std::str::from_utf8(&bytes).ok();
    let text_json;
    let data = match text {
        Some(text) => match object(text) {
            Some(object) => Some(object),
            None => {
                text_json = as_json_string(text);
                Some(&*text_json)
            }
        },
        None => None,
    };
    let click = RecordClick {
        partition_key: record.partition_key.as_deref(),
        data,
        data_base64: text.is_none().then_some(&*record.data),
    };
    Ok(serde_json::value::to_raw_value(&click).expect("texts and JSON"))
}

/// The text as an object of JSON, which may have white space around it; `None` if it is none.
fn object(text: &str) -> Option<&RawValue> {
    let text = text.trim_start_matches('\u{feff}').trim();
    // The data are one level below the click.
    let is_whole = text.starts_with('{') && scan::end(text, MAX_DEPTH - 1).ok()? == text.len();
    is_whole.then(|| serde_json::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<(Vec<String>, Option<String>), u16> {
        let text = BodyText::read(body.as_bytes()).unwrap();
        let split = Kinesis { invocation: None }.split(&text, 3);
        let split = split.map_err(|refused| refused.status())?;
        let shown = split.items.iter().map(|item| match item {
            BodyItem::Click(click) => click.get().to_owned(),
            BodyItem::Bad(..) => "!".to_owned(),
        });
        let shared = split.shared.map(|shared| shared.get().to_owned());
        Ok((shown.collect(), shared))
    }

    #[test]
    fn the_calls_of_both_services_are_split_into_records() {
        let check = |body: &str, records: &[&str], shared: Option<&str>| {
            let records = records.iter().map(|record| (*record).to_owned()).collect();
            assert_eq!(
                read(body),
                Ok((records, shared.map(str::to_owned))),
                "{body}"
            );
        };
        // {"id": 1.50}, with a line feed behind it
        let object = "eyJpZCI6IDEuNTB9Cg==";
        check(
            &format!(r#"{{"StreamName":"s","Data":"{object}","PartitionKey":"k"}}"#),
            &[r#"{"partition_key":"k","data":{"id": 1.50}}"#],
            Some(r#"{"stream":"s"}"#),
        );
        check(
            &format!(
                r#"{{"StreamARN":"a","Records":[{{"Data":"{object}","PartitionKey":"k","ExplicitHashKey":"0"}},{{"Data":"YSJi","PartitionKey":"l"}},{{"Data":"/w==","PartitionKey":"m"}}]}}"#
            ),
            &[
                r#"{"partition_key":"k","data":{"id": 1.50}}"#,
                r#"{"partition_key":"l","data":"a\"b"}"#,
                r#"{"partition_key":"m","data_base64":"/w=="}"#,
            ],
            Some(r#"{"stream":"a"}"#),
        );
        check(
            r#"{"DeliveryStreamName":"f","Record":{"Data":""}}"#,
            &[r#"{"data":""}"#],
            Some(r#"{"stream":"f"}"#),
        );
        check(
            r#"{"Records":[{"Data":"W10="},{"Data":"e30ge30="}]}"#,
            &[r#"{"data":"[]"}"#, r#"{"data":"{} {}"}"#],
            None,
        );
    }

    #[test]
    fn calls_without_records_and_broken_ones_are_refused() {
        let check = |body: &str, expect: u16| assert_eq!(read(body), Err(expect), "{body}");
        check("", 400);
        check("[]", 400);
        check("{}", 400);
        check(r#"{"Records":[]}"#, 400);
        check(r#"{"Records":[{"PartitionKey":"k"}]}"#, 400);
        check(r#"{"Data":"?"}"#, 400);
        check(r#"{"Data":7}"#, 400);
        check(
            r#"{"Records":[{"Data":""},{"Data":""},{"Data":""},{"Data":""}]}"#,
            413,
        );
        check(
            &format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
            400,
        );
    }

    #[test]
    fn a_records_id_is_of_its_call_and_place_and_its_key_keeps_its_order() {
        let check = |click: &str, visitor: Option<&str>, items: usize| {
            let click: &RawValue = serde_json::from_str(click).unwrap();
            let call = Kinesis {
                invocation: Some("f3c1"),
            };
            let found = call.identify(1, click).unwrap();
            assert_eq!(
                found.id.as_deref(),
                Some(&*record_id("f3c1", 1).to_string())
            );
            assert_eq!(found.visitor.as_deref(), visitor, "{click}");
            assert_eq!(found.items, items, "{click}");
            let unnamed = Kinesis { invocation: None }.identify(1, click).unwrap();
            assert_eq!(unnamed.id, None);
        };
        check(
            r#"{"partition_key":"k","data":{"visitor_id":"v","items":[{}]}}"#,
            Some("v"),
            1,
        );
        check(r#"{"partition_key":"k","data":{"id":"x"}}"#, Some("k"), 0);
        check(r#"{"partition_key":"k","data":"text"}"#, Some("k"), 0);
        check(r#"{"data_base64":"/w=="}"#, None, 0);
        assert_ne!(record_id("a", 11), record_id("a1", 1));
        assert_eq!(record_id("a", 0).get_version_num(), 8);
    }
}
