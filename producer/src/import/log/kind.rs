//! Which formats of access logs there are.

/// A format of access logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLog {
    /// Apache's and nginx's combined format, and the common one.
    Combined,
    /// CloudFront's standard logs, whose fields `#Fields:` names.
    CloudFront,
    /// CloudFront's real-time logs, whose fields the configuration names.
    CloudFrontRealtime,
    /// An Application Load Balancer's.
    Alb,
    /// S3's server access logs.
    S3,
}

impl AccessLog {
    /// The format's name on the command line.
    pub(in crate::import) const fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::CloudFront => "cloudfront",
            Self::CloudFrontRealtime => "cloudfront-realtime",
            Self::Alb => "alb",
            Self::S3 => "s3",
        }
    }
}
