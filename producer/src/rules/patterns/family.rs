//! A family of patterns: those of one kind of attack.

use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::decode::DecodedText;

/// The most memory that the states of one family may take, per thread; beyond it they are made
/// again.
const STATES_BYTES: usize = 16 << 20;

/// A kind of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PatternFamily {
    /// SQL, and questions of document stores.
    Sqli,
    /// Scripts in pages.
    Xss,
    /// Ways to files.
    Lfi,
    /// Commands and code for the server.
    Rce,
    /// Requests and headers inside of texts.
    Protocol,
}

/// A pattern that a text matches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PatternHit {
    pub(crate) family: PatternFamily,
    /// What the pattern sees, as `union select`.
    pub(crate) pattern: &'static str,
    /// The decoded text around the place.
    pub(crate) excerpt: String,
}

/// The words one of which a text needs to match any pattern if it has no sign.
const KEYWORDS: &str = r"(?i)union|select|order by|group by|having|insert|update|delete|drop|alter|create|truncate|exec|declare|waitfor|outfile|dumpfile|infile|bulk|benchmark|sleep|grant|where|when|procedure|offset|collate|@@|current_|session_user|system_user|information_schema|sys[a-z]|pg_|_name|msys|mysql|master|dbo|utl_|dbms_|xp_|sp_|owa_|ctxsys|msdasql|sqloledb|openrowset|nvarchar|varbinary|tbcreator|autonomous|0x| or | and |^or |^and |oR[0-9]|[0-9]or| xor |e-308|is not |javascript|vbscript|data:|document|window|location|\.source|constructor|fromcharcode|inner|outer|import|behavi|moz-binding|xss|script|onload|onerror|\.(?:constructor|parentnode|appendchild|srcdoc)|etc/|proc/|var/|root/|windows/|winnt|\.ini|autoexec|usr/|dev/|inetpub|config|meta-inf|web-inf|id_[rde]|composer|compose|package-lock|server-status|phpinfo|tmp/|sys/|\.sql|\.bak|\.old|\.swp|bin/|cmd|powershell|pwsh|cscript|wscript|mshta|certutil|rundll32|regsvr32|curl |wget |nc -|ncat|bash -|sh -|invoke-|unset|jndi|runtime|processbuilder|java\.|class\.|child_process|process|require|subprocess|os\.|module\.|global|fs\.|runscript|ognl|ogl|^[a-z0-9]+ (?:-|/|https?:)|http/[0-9]|rcpt to|mail from";

static KEYWORD: LazyLock<Regex> = LazyLock::new(|| {
    RegexBuilder::new(KEYWORDS)
        .unicode(false)
        .build()
        .expect("the words are compiled in, and a test reads them")
});

/// Returns true if a text without signs has a word of an attack.
pub(super) fn has_keyword(text: &[u8]) -> bool {
    KEYWORD.is_match(text)
}

/// The patterns of a family.
struct FamilyPatterns {
    all: RegexSet,
    each: Vec<NamedPattern>,
}

/// One of them. It is compiled by itself once it is first found, to show where it is.
struct NamedPattern {
    name: &'static str,
    source: &'static str,
    alone: OnceLock<Regex>,
}

impl FamilyPatterns {
    fn read(text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let named = lines.filter_map(|line| line.split_once('\t'));
        let each: Vec<_> = named
            .map(|(name, source)| NamedPattern {
                name,
                source,
                alone: OnceLock::new(),
            })
            .collect();
        let all = RegexSetBuilder::new(each.iter().map(|pattern| pattern.source))
            .unicode(false)
            .size_limit(64 << 20)
            .dfa_size_limit(STATES_BYTES)
            .build()
            .expect("the patterns are compiled in, and a test reads them");
        Self { all, each }
    }
}

impl NamedPattern {
    /// Returns where the text matches.
    fn place(&self, text: &[u8]) -> Option<(usize, usize)> {
        let alone = self.alone.get_or_init(|| {
            RegexBuilder::new(self.source)
                .unicode(false)
                .build()
                .expect("it is one of the set's")
        });
        alone.find(text).map(|found| (found.start(), found.end()))
    }
}

static SQLI: LazyLock<FamilyPatterns> =
    LazyLock::new(|| FamilyPatterns::read(include_str!("../../../rules/sqli.txt")));
static XSS: LazyLock<FamilyPatterns> =
    LazyLock::new(|| FamilyPatterns::read(include_str!("../../../rules/xss.txt")));
static LFI: LazyLock<FamilyPatterns> =
    LazyLock::new(|| FamilyPatterns::read(include_str!("../../../rules/lfi.txt")));
static RCE: LazyLock<FamilyPatterns> =
    LazyLock::new(|| FamilyPatterns::read(include_str!("../../../rules/rce.txt")));
static PROTOCOL: LazyLock<FamilyPatterns> =
    LazyLock::new(|| FamilyPatterns::read(include_str!("../../../rules/protocol.txt")));

impl PatternFamily {
    /// Every family.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::Sqli, Self::Xss, Self::Lfi, Self::Rce, Self::Protocol];

    /// The family's name in a file of rules.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqli => "sqli",
            Self::Xss => "xss",
            Self::Lfi => "lfi",
            Self::Rce => "rce",
            Self::Protocol => "protocol",
        }
    }

    /// Compiles the family, so that no request waits for it.
    pub(crate) fn warm(self) {
        let _ = self.patterns();
        LazyLock::force(&KEYWORD);
    }

    fn patterns(self) -> &'static FamilyPatterns {
        match self {
            Self::Sqli => &SQLI,
            Self::Xss => &XSS,
            Self::Lfi => &LFI,
            Self::Rce => &RCE,
            Self::Protocol => &PROTOCOL,
        }
    }

    /// Looks for the family in a text.
    pub(super) fn find(self, text: &DecodedText<'_>) -> Option<PatternHit> {
        // Where lines end matters to nothing but requests inside of texts.
        let text = match self {
            Self::Protocol => text.lines(),
            _ => text.as_str(),
        };
        let patterns = self.patterns();
        let first = patterns.all.matches(text.as_bytes()).iter().next()?;
        let pattern = &patterns.each[first];
        let (start, end) = pattern.place(text.as_bytes()).unwrap_or((0, text.len()));
        Some(PatternHit {
            family: self,
            pattern: pattern.name,
            excerpt: excerpt(text, start, end),
        })
    }
}

/// How much of a text a hit shows, and how much of it before the place.
const EXCERPT_BYTES: usize = 80;
const BEFORE_BYTES: usize = 12;

/// The text around a place.
fn excerpt(text: &str, start: usize, end: usize) -> String {
    let from = text.floor_char_boundary(start.saturating_sub(BEFORE_BYTES));
    let to = (end + BEFORE_BYTES)
        .min(from + EXCERPT_BYTES)
        .min(text.len());
    let shown = &text[from..text.floor_char_boundary(to)];
    let (before, behind) = (
        if from > 0 { "…" } else { "" },
        if to < text.len() { "…" } else { "" },
    );
    format!("{before}{shown}{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_compiles_and_every_pattern_has_a_name() {
        for family in PatternFamily::ALL {
            let patterns = family.patterns();
            assert!(patterns.each.len() > 2, "{family:?}");
            for pattern in &patterns.each {
                assert!(pattern.name.len() > 3, "{}", pattern.source);
                let _ = pattern.place(b"");
            }
        }
        assert!(has_keyword(b"UNION ALL SELECT 1"));
        assert!(!has_keyword(b"WHITE METAL LANTERN"));
    }

    #[test]
    fn a_hit_shows_the_place_and_little_more() {
        let long = format!(
            "{}<script>alert(1)</script>{}",
            "a".repeat(500),
            "é".repeat(500)
        );
        let hit = PatternFamily::Xss.find(&DecodedText::of(&long)).unwrap();
        assert!(hit.excerpt.starts_with("…aaaa"), "{}", hit.excerpt);
        assert!(hit.excerpt.contains("<script>"), "{}", hit.excerpt);
        assert!(hit.excerpt.len() < EXCERPT_BYTES + 10, "{}", hit.excerpt);
    }
}
