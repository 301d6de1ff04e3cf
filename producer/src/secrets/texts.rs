//! The texts of a click that are written to the topic.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::cleaner::AddressCleaner;
use crate::hex::hex_of;

/// The texts of a click in which a client may have put an address.
#[derive(Debug)]
pub(crate) struct ClickTexts<'t> {
    pub(crate) id: Cow<'t, str>,
    pub(crate) visitor: Option<Cow<'t, str>>,
    pub(crate) user_agent: Option<Cow<'t, str>>,
    /// JSON.
    pub(crate) request: Option<Cow<'t, str>>,
    /// JSON.
    pub(crate) shared: Option<Cow<'t, str>>,
    /// JSON.
    pub(crate) click: Cow<'t, str>,
}

impl ClickTexts<'_> {
    /// Takes the secrets out of all texts. Returns true if there were any.
    pub(crate) fn clean(&mut self, cleaner: &AddressCleaner) -> bool {
        let mut redacted = false;
        let plain = [self.visitor.as_mut(), self.user_agent.as_mut()];
        for text in plain.into_iter().flatten() {
            redacted |= replace(text, |text| cleaner.clean(text));
        }
        let json = [
            Some(&mut self.click),
            self.request.as_mut(),
            self.shared.as_mut(),
        ];
        for text in json.into_iter().flatten() {
            redacted |= replace(text, |text| cleaner.clean_json(text));
        }
        // Ids that differ in their secrets only are of two clicks.
        let has_secret = matches!(cleaner.clean(&self.id), Cow::Owned(_));
        if has_secret {
            self.id = Cow::Owned(hex_of(&Sha256::digest(self.id.as_bytes())));
        }
        redacted || has_secret
    }
}

/// Puts what `clean` makes of a text in its place. Returns true if that is another text.
fn replace(text: &mut Cow<'_, str>, clean: impl Fn(&str) -> Cow<'_, str>) -> bool {
    let Cow::Owned(cleaned) = clean(text) else {
        return false;
    };
    *text = Cow::Owned(cleaned);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_26_every_text_of_a_click_is_cleaned_and_ids_stay_apart() {
        let cleaner = AddressCleaner::of(&[]);
        let texts = |id: &'static str, url: &'static str| ClickTexts {
            id: id.into(),
            visitor: Some(url.into()),
            user_agent: Some(url.into()),
            request: Some(format!(r#"{{"referer":"{url}"}}"#).into()),
            shared: Some(format!(r#"{{"url":"{url}"}}"#).into()),
            click: format!(r#"{{"url":"{url}"}}"#).into(),
        };
        let mut plain = texts("a@b", "//h/");
        assert!(!plain.clean(&cleaner));
        assert_eq!((&*plain.id, &*plain.click), ("a@b", r#"{"url":"//h/"}"#));
        let mut secret = texts("//u:p@h/", "//u:p@h/");
        assert!(secret.clean(&cleaner));
        let shown = format!("{secret:?}");
        assert!(!shown.contains("u:p"), "{shown}");
        let ids = ["//u:p@h/", "//u:q@h/"].map(|id| {
            let mut texts = texts(id, "");
            assert!(texts.clean(&cleaner));
            texts.id
        });
        assert!(ids[0] == secret.id && ids[0] != ids[1] && ids[0].len() == 64);
    }
}
