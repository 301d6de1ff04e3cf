//! The arguments of `clickweir forget` and `clickweir certificate`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::request::AskedSubject;

/// Whose clicks are to go, or which.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("subject").required(true).args(["visitor", "user", "condition"])))]
pub(crate) struct ForgetArgs {
    /// All clicks of this `visitor_id`
    #[arg(long, value_name = "ID")]
    pub(crate) visitor: Option<String>,
    /// All clicks of this `user_id`
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
    /// The clicks that a condition of SQL is true of: --where "city = 'Bonn'"
    #[arg(long = "where", value_name = "SQL")]
    pub(crate) condition: Option<String>,
    /// Only those that occurred from this time on (2026-11-22T21:00:00Z)
    #[arg(long, requires = "condition", value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Only those that occurred before this time
    #[arg(long, requires = "condition", value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Erases them; without it they are only counted
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where the certificate is written [default: certificate-ID.json]
    #[arg(long, requires = "yes", value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
}

impl ForgetArgs {
    /// Whose clicks are asked for.
    pub(crate) fn asked(&self) -> AskedSubject {
        match (&self.visitor, &self.user) {
            (Some(visitor), _) => AskedSubject::Visitor(visitor.clone()),
            (None, Some(user)) => AskedSubject::User(user.clone()),
            (None, None) => AskedSubject::Where {
                condition: self.condition.clone().unwrap_or_default(),
                from: self.from.clone(),
                to: self.to.clone(),
            },
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertificateTask {
    /// Compares a certificate with the lake; the exit code is 1 if it is not proved
    Verify {
        /// The certificate
        file: PathBuf,
    },
}
