//! Variables of the environment that are meant for the configuration and are not read.

use anyhow::bail;
use figment::Figment;
use figment::value::Dict;

/// What every variable of the configuration begins with, and how a misspelt one may.
const PREFIX: &str = "CLICKWEIR__";
const MISSPELT_PREFIX: &str = "CLICKWEIR_";

/// Checks that no variable lacks an underscore: it would be ignored in silence.
///
/// # Errors
/// Fails with the first one, and says how it is written.
pub(super) fn check(defaults: &Figment) -> anyhow::Result<()> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    misspelt(defaults, names).map_or(Ok(()), |(name, meant)| {
        bail!("the environment has {name}, which is not read: write {meant}, with two underscores")
    })
}

/// The first name that lacks an underscore, and the one that was meant.
fn misspelt(
    defaults: &Figment,
    mut names: impl Iterator<Item = String>,
) -> Option<(String, String)> {
    let sections: Dict = defaults.extract().ok()?;
    names.find_map(|name| {
        let rest = name.strip_prefix(MISSPELT_PREFIX)?;
        let (section, key) = match name.strip_prefix(PREFIX) {
            // A key of a section has no section in its name.
            Some(rest) if rest.contains("__") => return None,
            Some(rest) => rest.split_once('_')?,
            None => rest.split_once('_')?,
        };
        sections.get(&section.to_ascii_lowercase())?;
        let key = key.trim_start_matches('_');
        Some((name.clone(), format!("{PREFIX}{section}__{key}")))
    })
}

#[cfg(test)]
mod tests {
    use figment::providers::{Format, Toml};

    use super::*;

    #[test]
    fn a_variable_that_lacks_an_underscore_is_named_with_its_remedy() {
        let defaults = Figment::from(Toml::string("[sink]\nmax_age = \"5s\"\n[log]\n"));
        let check = |name: &str, expect: Option<&str>| {
            let found = misspelt(&defaults, [name.to_owned()].into_iter());
            assert_eq!(found.map(|(_, meant)| meant).as_deref(), expect, "{name}");
        };
        check("CLICKWEIR_SINK_MAX_AGE", Some("CLICKWEIR__SINK__MAX_AGE"));
        check("CLICKWEIR_SINK__MAX_AGE", Some("CLICKWEIR__SINK__MAX_AGE"));
        check("CLICKWEIR__SINK_MAX_AGE", Some("CLICKWEIR__SINK__MAX_AGE"));
        check("CLICKWEIR__SINK__MAX_AGE", None);
        check("CLICKWEIR_TEST_S3", None);
        check("CLICKWEIR_SINK", None);
        check("HOME", None);
    }
}
