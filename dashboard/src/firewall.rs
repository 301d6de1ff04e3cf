//! What the edge's rules did, as `compose` hands it in.

use std::sync::Arc;

use catalog::Timestamp;

/// Where the rules of the edge are to be seen.
#[derive(Clone)]
pub enum EdgeRules {
    /// The edge of this process has no rules.
    Absent,
    /// The edge is another process, which shows them itself.
    Elsewhere,
    /// The edge of this process has rules, which this asks.
    Here(Arc<dyn Fn() -> RuleActivity + Send + Sync>),
}

/// Says what is wrong with an edge; `None` if nothing is.
pub type EdgeWarningFn = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What the rules did since the edge was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleActivity {
    /// The file of the rules, or `starter`.
    pub source: String,
    /// Why older rules are in force than those of the file; `None` if they are the file's.
    pub stale: Option<String>,
    /// Each rule, in the order in which they are asked.
    pub rules: Vec<RuleCount>,
    /// The newest requests that a rule meant, the newest first.
    pub hits: Vec<EdgeHit>,
}

/// How often a rule meant a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule's name.
    pub rule: String,
    /// What becomes of such a request: `counted`, `blocked`, `throttled` or `sampled`.
    pub action: &'static str,
    /// How often it happened.
    pub requests: u64,
}

/// A request that a rule meant. Its texts are a client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeHit {
    /// When it came.
    pub at: Timestamp,
    /// The rule's name.
    pub rule: String,
    /// What became of it.
    pub action: &'static str,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The network of its client; `None` if it is not known.
    pub address: Option<String>,
    /// Why the rule meant it.
    pub reason: String,
}
