//! As much of a browser as a visitor needs: cookies, redirects, and the clicks that a page
//! carries.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, REFERER, SET_COOKIE, USER_AGENT};
use reqwest::{Client, RequestBuilder, Response};
use tokio::time::sleep;
use topic::Backoff;

use super::error::Error;

/// How often a request is tried while it gets a 503, as the page's script does: for about
/// half a minute.
const MAX_TRIES: u32 = 9;
/// The first and the longest wait between two tries. An edge that is full asks for a second.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// One visitor's browser.
pub(super) struct Browser {
    client: Client,
    base_url: String,
    cookies: Vec<(String, String)>,
    pub(super) agent: &'static str,
    /// The address of the open page, which is the referrer of the next.
    pub(super) address: String,
}

/// A page that was opened.
pub(super) struct OpenPage {
    html: String,
    /// Its address.
    pub(super) url: String,
    /// The page before it; empty if there was none.
    pub(super) referrer: String,
}

impl Browser {
    pub(super) fn new(client: Client, base_url: &str) -> Self {
        let base_url = base_url.to_owned();
        Self {
            client,
            base_url,
            cookies: Vec::new(),
            agent: "",
            address: String::new(),
        }
    }

    /// Opens the shop's first page, with the query of a campaign or none.
    pub(super) async fn enter(&mut self, query: &str) -> Result<OpenPage, Error> {
        match self.open(&format!("/{query}")).await {
            Err(Error::Refused { status: 404, .. }) => Err(Error::NoShop {
                base_url: self.base_url.clone(),
            }),
            entered => entered,
        }
    }

    /// Opens a page by its path.
    pub(super) async fn open(&mut self, path: &str) -> Result<OpenPage, Error> {
        let request = self.client.get(format!("{}{path}", self.base_url));
        let answer = self.send(request, path).await?;
        self.page(answer, path).await
    }

    /// Sends a form and opens the page to which the shop redirects.
    pub(super) async fn submit(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<OpenPage, Error> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .client
            .post(format!("{}{path}", self.base_url))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let answer = self.send(request, path).await?;
        let next = answer
            .headers()
            .get(LOCATION)
            .and_then(|to| to.to_str().ok());
        match next.map(str::to_owned) {
            Some(next) => self.open(&next).await,
            None => Err(Error::Refused {
                status: answer.status().as_u16(),
                path: path.into(),
            }),
        }
    }

    /// Posts clicks as they are and waits until they are acknowledged.
    pub(super) async fn post(&mut self, body: &str) -> Result<(), Error> {
        let path = "/v1/events";
        let request = self.client.post(format!("{}{path}", self.base_url));
        let request = request
            .header(CONTENT_TYPE, "text/plain")
            .body(body.to_owned());
        let answer = self.send(request, path).await?;
        match answer.status().as_u16() {
            202 => Ok(()),
            status => Err(Error::Refused {
                status,
                path: path.into(),
            }),
        }
    }

    /// Loads a pixel and waits until its click is acknowledged.
    pub(super) async fn load(&mut self, path: &str) -> Result<(), Error> {
        let request = self.client.get(format!("{}{path}", self.base_url));
        let answer = self.send(request, path).await?;
        match answer.status().as_u16() {
            200 => Ok(()),
            status => Err(Error::Refused {
                status,
                path: path.into(),
            }),
        }
    }

    async fn send(&mut self, request: RequestBuilder, path: &str) -> Result<Response, Error> {
        let away = |error| Error::Away {
            base_url: self.base_url.clone(),
            error,
        };
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = request.header(USER_AGENT, self.agent);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if !self.address.is_empty() {
            request = request.header(REFERER, &self.address);
        }
        let request = request.build().map_err(away)?;
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 0..MAX_TRIES {
            let again = request
                .try_clone()
                .expect("a body of text can be sent again");
            let answer = self.client.execute(again).await.map_err(away)?;
            if answer.status() != 503 {
                self.keep_cookies(&answer);
                return Ok(answer);
            }
            sleep(backoff.wait()).await;
        }
        Err(Error::Refused {
            status: 503,
            path: path.into(),
        })
    }

    fn keep_cookies(&mut self, answer: &Response) {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair = cookie
                .to_str()
                .ok()
                .and_then(|text| text.split(';').next()?.split_once('='));
            let Some((name, value)) = pair else { continue };
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    async fn page(&mut self, answer: Response, path: &str) -> Result<OpenPage, Error> {
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(Error::Refused {
                status,
                path: path.into(),
            });
        }
        let base_url = self.base_url.clone();
        let html = answer
            .text()
            .await
            .map_err(|error| Error::Away { base_url, error })?;
        let url = format!("{}{path}", self.base_url);
        let referrer = std::mem::replace(&mut self.address, url.clone());
        Ok(OpenPage {
            html,
            url,
            referrer,
        })
    }
}

impl OpenPage {
    /// Returns the clicks that the page carries for its script, as JSON.
    pub(super) fn clicks(&self) -> Vec<String> {
        self.attributes("data-click=\"").collect()
    }

    /// Returns the addresses of the pixels for a browser without scripts.
    pub(super) fn pixels(&self) -> Vec<String> {
        self.attributes("<noscript><img src=\"").collect()
    }

    /// Returns an id that the tracker's tag names, such as `visitor_id`; empty if it names none.
    pub(super) fn tag_id(&self, name: &str) -> String {
        self.attributes(&format!("data-{name}=\""))
            .next()
            .unwrap_or_default()
    }

    /// Returns every attribute that follows the text `before`.
    fn attributes(&self, before: &str) -> impl Iterator<Item = String> {
        let parts = self.html.split(before).skip(1);
        parts
            .filter_map(|part| part.split('"').next())
            .map(unescape)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// Undoes the escapes that the shop's templates write into an attribute.
fn unescape(text: &str) -> String {
    let escapes = [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ];
    escapes
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
